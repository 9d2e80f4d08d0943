// What the witness does while the instance runs: one wait over the output pipes, its signals and the
// kernel's word about memory.
//
// TERM is passed on to the entrypoint; USR1 ends everything in the instance; the end of the
// entrypoint ends everything, too. An out-of-memory kills the instance as one, whatever process the
// kernel chose.

import LaunchPlan
import Syscalls

struct Watch: ~Copyable {
    private let payload: Payload
    private let go: Descriptor
    private let failure: Descriptor
    private let stdout: Descriptor
    private let stderr: Descriptor
    private let signals: SignalFD
    private let memory: MemoryWatch
    private var log: OutputLog
    private var pace: OutputPace
    private var killed = false

    // LIMIT: reads after the last process ended: a pipe's capacity (64 KiB) and then its end. More
    // cannot be in there, as no writer is left.
    private static let lastReadsMax = 64

    /// Where each descriptor stands in the wait.
    private enum Place: Int { case stdout, stderr, signals, memory }

    init(
        payload: Payload, pipes: consuming Pipes, memory: consuming MemoryWatch,
        log: consuming OutputLog
    ) throws(Errno) {
        pace = OutputPace(bytesPerSecond: payload.plan.outputBytesPerSecond)
        let signals = try SignalFD([.terminate, .user1, .child])
        self.signals = signals
        go = pipes.go.keepWriting()
        failure = pipes.failure.keepReading()
        stdout = pipes.stdout.keepReading()
        stderr = pipes.stderr.keepReading()
        self.payload = payload
        self.memory = memory
        self.log = log
    }

    /// Lets the payload go on.
    ///
    /// - Returns: what failed before the entrypoint ran; nil when it runs.
    func begin() throws(LaunchFailure) -> LaunchFailure? {
        try step("go") { () throws(Errno) in try File.writeAll(go, [1]) }
        let message = try step("read failure") { () throws(Errno) in
            try File.readAll(failure, limit: 16)
        }
        return payload.failure(message)
    }

    /// Closes what the launcher shared with all witnesses.
    func keepOnly(
        _ directory: borrowing Descriptor, _ report: borrowing Descriptor
    ) throws(LaunchFailure) {
        let kept = [
            go.raw, failure.raw, stdout.raw, stderr.raw, signals.descriptor.raw, memory.raw,
            log.fileNumber, log.directoryNumber, directory.raw, report.raw,
        ]
        try step("close") { () throws(Errno) in
            try Confinement.closeAll(from: 3, but: kept.filter { $0 >= 3 }.sorted())
        }
    }

    /// Until the entrypoint has ended and all its output is in the log.
    mutating func observe() -> WitnessedEnd {
        var waits = [Poll.Wait(stdout), .init(stderr), .init(signals.descriptor), memory.wait]
        var status: ExitStatus?
        while status == nil {
            do throws(Errno) {
                try wait(&waits)
            } catch {
                // Without memory for a wait there is none for the instance, either.
                killed = true
                kill()
            }
            take(&waits)
            if waits[Place.memory.rawValue].ready {
                kill()
                waits[Place.memory.rawValue] = Poll.Wait()
            }
            if waits[Place.signals.rawValue].ready { status = handleSignals() }
        }
        return finish(status ?? .exited(0), &waits)
    }

    /// Waits for the next event, and not for output while enough of it was taken.
    private func wait(_ waits: inout [Poll.Wait]) throws(Errno) {
        let pause = pace.pauseMilliseconds(Clock.monotonicNanoseconds())
        if pause == 0 { return try Poll.wait(&waits) }
        var others = [Poll.Wait(), Poll.Wait()] + waits[Place.signals.rawValue...]
        try Poll.wait(&others, milliseconds: pause)
        for place in [Place.signals, .memory] { waits[place.rawValue] = others[place.rawValue] }
    }

    /// Kills what is left, reaps it, and empties the pipes.
    private mutating func finish(
        _ status: ExitStatus, _ waits: inout [Poll.Wait]
    ) -> WitnessedEnd {
        let time = Clock.realtimeNanoseconds()
        kill()
        // Nobody writes any more: what is left is taken at once.
        pace = OutputPace(bytesPerSecond: 0)
        while let ended = try? Process.waitAny() { _ = ended }
        for _ in 0..<Self.lastReadsMax {
            guard
                waits[Place.stdout.rawValue].number >= 0 || waits[Place.stderr.rawValue].number >= 0
            else { break }
            var outputs = [waits[Place.stdout.rawValue], waits[Place.stderr.rawValue]]
            guard (try? Poll.wait(&outputs, milliseconds: 0)) != nil else { break }
            guard outputs[0].ready || outputs[1].ready else { break }
            waits[Place.stdout.rawValue] = outputs[0]
            waits[Place.stderr.rawValue] = outputs[1]
            take(&waits)
        }
        let how: WitnessedEnd.Status =
            switch status {
            case .exited(let code): .exited(UInt8(truncatingIfNeeded: code))
            case .signaled(let signal, _): .signalled(UInt8(truncatingIfNeeded: signal.number))
            }
        return WitnessedEnd(
            status: how, outOfMemory: memory.wasExceeded(), killed: killed, timeNanoseconds: time)
    }

    /// - Returns: how the entrypoint ended, once it has.
    private mutating func handleSignals() -> ExitStatus? {
        var status: ExitStatus?
        while let arrived = try? signals.next() {
            switch arrived.signal {
            case .terminate:
                // It may have ended already.
                _ = try? Process.send(.terminate, to: Construction.payloadPID)
            case .user1:
                killed = true
                kill()
            default:
                break
            }
        }
        while let ended = try? Process.reapAny() {
            if ended.pid == Construction.payloadPID { status = ended.status }
        }
        return status
    }

    private func kill() {
        // False where nothing is left to kill.
        _ = Confinement.signalAll(.kill)
    }

    private mutating func take(_ waits: inout [Poll.Wait]) {
        if waits[Place.stdout.rawValue].ready {
            Self.take(stdout, .stdout, &waits[Place.stdout.rawValue], &log, &pace)
        }
        if waits[Place.stderr.rawValue].ready {
            Self.take(stderr, .stderr, &waits[Place.stderr.rawValue], &log, &pace)
        }
    }

    private static func take(
        _ pipe: borrowing Descriptor, _ stream: OutputRecordHead.Stream, _ wait: inout Poll.Wait,
        _ log: inout OutputLog, _ pace: inout OutputPace
    ) {
        wait.ready = false
        let most = pace.bytes(atMost: OutputRecordHead.dataBytesMax)
        guard let data = try? File.read(pipe, max: most), !data.isEmpty else {
            wait = Poll.Wait()
            return
        }
        pace.take(data.count, Clock.monotonicNanoseconds())
        log.append(stream, data)
    }
}

/// How the kernel tells that an instance met its memory limit.
struct MemoryWatch: ~Copyable {
    private let kind: LaunchPlan.GroupKind
    /// v1: an eventfd, ready once the limit was met. v2: memory.events, read at the end (there the
    /// kernel itself kills the instance as one).
    private let source: Descriptor

    init(_ kind: LaunchPlan.GroupKind, _ source: consuming Descriptor) {
        self.kind = kind
        self.source = source
    }

    var raw: Int32 { source.raw }

    var wait: Poll.Wait { kind == .version1 ? Poll.Wait(source) : Poll.Wait() }

    /// Whether it was met at any time.
    func wasExceeded() -> Bool {
        switch kind {
        case .version1:
            var waits = [Poll.Wait(source)]
            return (try? Poll.wait(&waits, milliseconds: 0)) != nil && waits[0].ready
        case .version2:
            var buffer = [UInt8](repeating: 0, count: 1_024)
            guard let count = try? File.read(source, into: &buffer, at: 0) else { return false }
            let text = String(decoding: buffer.prefix(count), as: UTF8.self)
            return text.split(separator: "\n").contains {
                $0.hasPrefix("oom_kill ") && $0 != "oom_kill 0"
            }
        }
    }
}
