import Channel
import LaunchPlan
import Syscalls

/// The launcher as the supervisor sees it: plans go out, answers come back in the same order. Lives on
/// the loop.
///
/// Keeps true: one launcher at a time; when it dies, who waits hears so and the next plan starts
/// another. It is started before anything else, while the process has one thread.
final class LauncherLink {
    /// A witness that was made.
    struct Witness {
        let pid: Int32
        let pidfd: SharedDescriptor
    }

    typealias Answer = Result<Witness, LaunchFailure>

    private let loop: EventLoop
    private let path: String
    /// The program as it was when this process started.
    private let program: SharedDescriptor
    private var socket: SharedDescriptor?
    private var token: WatchToken?
    private var process: SharedDescriptor?
    /// Launchers that are ending, by the numbers of their descriptors.
    private var leaving: [Int32: WatchToken] = [:]
    private var waiting: [(Answer) -> Void] = []
    private var buffer = [UInt8](repeating: 0, count: LaunchOutcome.bytesMax)

    init(loop: EventLoop, path: String) throws(LaunchFailure) {
        self.loop = loop
        self.path = path
        do throws(Errno) {
            program = SharedDescriptor(try File.open(path, .path))
        } catch {
            throw LaunchFailure(step: "start \(path)", code: error.code)
        }
        try start()
    }

    /// An upgrade puts another build's launcher at the path before it restarts this process, and the two
    /// need not understand each other: until then the one of this build is started, by its open file.
    private var programPath: String {
        if let started = try? File.status(program.descriptor),
            let found = try? File.open(path, .path), let status = try? File.status(found),
            (status.device, status.inode) == (started.device, started.inode)
        {
            return path
        }
        return "/proc/\(Process.pid)/fd/\(program.descriptor.raw)"
    }

    /// The number in the child.
    private static let socketNumber: Int32 = 3

    private func start() throws(LaunchFailure) {
        do throws(Errno) {
            let pair = try SeqpacketSocket.pair()
            var plan = SpawnPlan(path: programPath, arguments: ["sandbox-launcher"])
            plan.newSession = true
            // None left empty: what the launcher opens would stand there, where its witnesses do not
            // close what is not theirs.
            let null = try File.open("/dev/null", .readWrite)
            for number: Int32 in 0...1 { plan.give(null, as: number) }
            plan.give(standardStream: 2, as: 2)
            plan.give(pair.second, as: Self.socketNumber)
            let pid: Int32
            do throws(SpawnFailure) {
                pid = try Process.spawn(plan)
            } catch {
                throw error.errno
            }
            process = SharedDescriptor(try Pidfd.open(pid: pid))
            let socket = SharedDescriptor(try pair.first.duplicate())
            token = try loop.watch(socket.descriptor, .readable) { [weak self] _ in
                self?.receive()
            }
            self.socket = socket
        } catch {
            throw LaunchFailure(step: "start \(path)", code: error.code)
        }
    }

    /// Sends a plan with its descriptors. The answer may come before this returns.
    func launch(
        _ plan: [UInt8], _ parcel: Parcel, _ answer: @escaping (Answer) -> Void
    ) {
        do throws(LaunchFailure) {
            if socket == nil { try start() }
            guard let socket else {
                throw LaunchFailure(step: "launcher", code: Errno.noProcess.code)
            }
            do throws(Errno) {
                _ = try SeqpacketSocket.send(socket.descriptor, plan, descriptors: parcel)
            } catch {
                throw LaunchFailure(step: "send plan", code: error.code)
            }
            waiting.append(answer)
        } catch {
            answer(.failure(error))
        }
    }

    private func receive() {
        while let socket {
            let received: SeqpacketSocket.Received
            do throws(Errno) {
                received = try SeqpacketSocket.receive(socket.descriptor, into: &buffer)
            } catch .again {
                return
            } catch {
                return lost()
            }
            guard received.bytes > 0, !waiting.isEmpty else { return lost() }
            let answer = waiting.removeFirst()
            let outcome = try? LaunchOutcome(reading: [UInt8](buffer.prefix(received.bytes)))
            switch outcome {
            case .launched(let pid)?:
                guard let pidfd = received.descriptors?.take(0) else { return lost() }
                answer(.success(Witness(pid: pid, pidfd: SharedDescriptor(pidfd))))
            case .failed(let failure)?:
                answer(.failure(failure))
            default:
                answer(.failure(LaunchFailure(step: "launcher's answer", code: Errno.invalid.code)))
            }
        }
    }

    private func lost() {
        if let token { loop.unwatch(token) }
        token = nil
        socket = nil
        if let process { layToRest(process) }
        process = nil
        let left = waiting
        waiting = []
        for answer in left {
            answer(.failure(LaunchFailure(step: "launcher died", code: Errno.noProcess.code)))
        }
    }

    /// Its socket closes a moment before there is something to reap; one that only lost its way ends
    /// here. Its witnesses go on.
    private func layToRest(_ process: SharedDescriptor) {
        try? Pidfd.send(.kill, to: process.descriptor)
        let number = process.descriptor.raw
        leaving[number] = try? loop.watch(process.descriptor, .readable) { [weak self] _ in
            // Keeps the descriptor, and its number with it, until then.
            _ = try? Pidfd.reap(process.descriptor)
            self?.left(number)
        }
    }

    private func left(_ number: Int32) {
        if let token = leaving.removeValue(forKey: number) { loop.unwatch(token) }
    }
}
