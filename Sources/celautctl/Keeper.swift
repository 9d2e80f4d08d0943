import Channel
import Interfaces
import Syscalls

/// Performs what `KeeperMachine` decides: processes, sockets, timers, and what the daemons tell
/// through their notification sockets.
///
/// SAFETY: `@unchecked Sendable`: everything runs on the loop's thread.
final class Keeper: @unchecked Sendable {
    private struct Kept {
        let name: String
        let descriptor: SharedDescriptor
    }

    private struct Child {
        let pid: Int32
        let pidfd: SharedDescriptor
        let watch: WatchToken
    }

    private let loop: EventLoop
    private let layout: NodeLayout
    private var machine = KeeperMachine(names: NodeLayout.daemons)
    private var listeners: [String: SharedDescriptor] = [:]
    private var notifiers: [String: SharedDescriptor] = [:]
    private var logs: [String: DaemonLog] = [:]
    private var children: [String: Child] = [:]
    private var kept: [String: [Kept]] = [:]
    private var timer: TimerToken?
    private let finished: () -> Void

    // LIMIT: descriptors kept for one daemon, as systemd's FileDescriptorStoreMax. More are closed. A
    // process has 1,024 at first.
    private static let keptMax = 512

    init(loop: EventLoop, layout: NodeLayout, finished: @escaping () -> Void) throws(Complaint) {
        self.loop = loop
        self.layout = layout
        self.finished = finished
        for daemon in NodeLayout.daemons {
            let user = layout.user(daemon)
            do throws(Errno) {
                // Whoever left them is not there: the lock is ours.
                for path in [layout.socketPath(daemon), layout.notifyPath(daemon)] {
                    if File.exists(path) { try File.remove(path) }
                }
                // Everybody may connect; the role of the caller's uid decides what it may ask.
                listeners[daemon] = SharedDescriptor(
                    try UnixSocket.listen(layout.socketPath(daemon), mode: 0o666))
                let path = layout.notifyPath(daemon)
                let notify = try UnixSocket.listen(path, kind: .datagram, mode: 0o600)
                try File.setOwner(path, uid: user.uid, gid: user.gid)
                try notify.setNonBlocking(true)
                notifiers[daemon] = SharedDescriptor(notify)
                logs[daemon] = try DaemonLog(path: layout.logPath(daemon))
            } catch {
                throw Complaint(
                    "The socket of \(daemon) cannot be made in \(layout.runtime): \(error).",
                    code: .cannotMake)
            }
        }
    }

    func begin() throws(Errno) {
        for (daemon, notifier) in notifiers {
            _ = try loop.watch(raw: notifier.raw, .readable) { [weak self] _ in
                self?.hear(daemon, notifier)
            }
        }
        for log in logs.values { try log.watch(on: loop) }
        perform(machine.begin())
    }

    func stop() { perform(machine.stop(now: loop.now)) }

    /// A line for whoever watches the terminal.
    static func say(_ text: String) { Printer.note("celaut: \(text)") }

    // MARK: Actions

    private func perform(_ actions: [KeeperMachine.Action]) {
        for action in actions {
            switch action {
            case .start(let name): start(name)
            case .signal(let name, let signal): send(signal, name)
            case .listen(let name): listen(name)
            case .say(let text): Self.say(text)
            case .finish:
                for log in logs.values { log.pass() }
                finished()
            }
        }
        arm()
    }

    private func arm() {
        if let timer { loop.cancel(timer) }
        timer = machine.nextDeadline.map { deadline in
            loop.schedule(at: deadline) { [weak self] in
                guard let self else { return }
                timer = nil
                perform(machine.tick(now: loop.now))
            }
        }
    }

    private func start(_ name: String) {
        var plan = SpawnPlan(
            path: "\(layout.programs)/\(name)",
            arguments: [name, "--config", layout.configurationPath(name)])
        plan.user = (layout.user(name).uid, layout.user(name).gid)
        // Ctrl-C is for `up` alone, which ends them in order; and they end with it, also when it is
        // killed, so that the next one finds the state free.
        plan.newSession = true
        plan.parentDeathSignal = .terminate
        plan.tellsListenPID = true
        guard let listener = listeners[name] else { return }
        plan.give(listener.descriptor, as: 3)
        var names = [name]
        for (index, one) in (kept[name] ?? []).enumerated() {
            plan.give(one.descriptor.descriptor, as: Int32(4 + index))
            names.append(one.name)
        }
        plan.give(standardStream: 0, as: 0)
        guard let log = logs[name] else { return }
        for stream in Int32(1)...2 { plan.give(log.writing, as: stream) }
        plan.environment = [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LISTEN_FDS=\(names.count)",
            "LISTEN_FDNAMES=\(names.joined(separator: ":"))",
            "NOTIFY_SOCKET=\(layout.notifyPath(name))", "FDSTORE=\(Self.keptMax)",
            "WATCHDOG_USEC=\(KeeperMachine.watchdogInterval.components.seconds * 1_000_000)",
        ]
        do {
            let pid = try Process.spawn(plan)
            let pidfd = SharedDescriptor(try Pidfd.open(pid: pid))
            let watch = try loop.watch(raw: pidfd.raw, .readable) { [weak self] _ in
                self?.reap(name)
            }
            children[name] = Child(pid: pid, pidfd: pidfd, watch: watch)
            machine.started(name, now: loop.now)
        } catch {
            perform(machine.notStarted(name, "\(error)", now: loop.now))
        }
    }

    private func send(_ signal: Signal, _ name: String) {
        guard let child = children[name] else { return }
        // One that has just ended is reaped by its pidfd.
        try? Pidfd.send(signal, to: child.pidfd.descriptor)
    }

    private func reap(_ name: String) {
        guard let child = children[name] else { return }
        let status: ExitStatus
        do throws(Errno) {
            guard let ended = try Pidfd.reap(child.pidfd.descriptor) else { return }
            status = ended
        } catch {
            status = .exited(ExitCode.software.rawValue)
        }
        loop.unwatch(child.watch)
        children[name] = nil
        perform(machine.ended(name, status, now: loop.now))
    }

    private func listen(_ name: String) {
        guard let listener = listeners[name] else { return }
        var token: WatchToken?
        token = try? loop.watch(raw: listener.raw, .readable) { [weak self] _ in
            guard let self else { return }
            if let token { loop.unwatch(token) }
            perform(machine.connectionWaits(name))
        }
    }

    // MARK: What daemons tell (sd_notify(3))

    private func hear(_ name: String, _ notifier: SharedDescriptor) {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while let packet = try? SeqpacketSocket.receive(notifier.descriptor, into: &buffer),
            packet.bytes > 0
        {
            let lines = String(decoding: buffer[..<packet.bytes], as: UTF8.self)
                .split(separator: "\n").map(String.init)
            let label = lines.first { $0.hasPrefix("FDNAME=") }.map { String($0.dropFirst(7)) }
            for line in lines {
                switch line {
                case "READY=1": perform(machine.ready(name, now: loop.now))
                case "WATCHDOG=1":
                    machine.heard(name, now: loop.now)
                    arm()
                case "FDSTORE=1": keep(packet.descriptors, label ?? "stored", name)
                case "FDSTOREREMOVE=1": kept[name]?.removeAll { $0.name == label }
                default: continue
                }
            }
        }
    }

    private func keep(_ parcel: Parcel?, _ label: String, _ name: String) {
        guard let parcel else { return }
        for index in 0..<parcel.count {
            guard (kept[name]?.count ?? 0) < Self.keptMax, let one = parcel.take(index) else {
                return
            }
            kept[name, default: []].append(
                Kept(name: label, descriptor: SharedDescriptor(one)))
        }
    }
}
