package import Channel
package import Syscalls

/// Decides about a node's daemons as a service manager does: when each is started, started again,
/// killed, and in which order all are stopped. Pure: events with their instant in, actions out.
///
/// Keeps true: a daemon that dies is started again after a back-off that doubles from 20 ms to
/// 10 s and is forgotten after a second of life; one that ended by itself with code 0 comes back with
/// the next connection to its socket; one that is not ready in time, or whose watchdog is silent,
/// is killed; after `stop` nothing is started, and one daemon is stopped at a time, in order.
package struct KeeperMachine {
    package enum Action: Equatable {
        case start(String)
        case signal(String, Signal)
        /// Tell when a connection waits at the socket of this daemon.
        case listen(String)
        case say(String)
        /// Everything has ended.
        case finish
    }

    private enum State: Equatable {
        /// Ended as asked; waits for a connection.
        case idle
        case waiting(until: Instant)
        case starting(since: Instant)
        case running(since: Instant, heard: Instant)
        case killed
        case ended
    }

    private struct Daemon {
        let name: String
        var state: State = .idle
        var failures = 0
        var restarts = -1
    }

    // LIMIT: a daemon is ready within a few milliseconds; one with a large store to check may take
    // longer, and more than this means that it hangs.
    package static let startTimeout = Duration.seconds(30)
    // LIMIT: a loop that does not turn for so long is stuck. Daemons report at half of it.
    package static let watchdogInterval = Duration.seconds(20)
    // LIMIT: a daemon finishes what it accepted within 5 s; past twice that it is killed.
    package static let stopTimeout = Duration.seconds(12)
    package static let backoffMin = Duration.milliseconds(20)
    package static let backoffMax = Duration.seconds(10)
    // LIMIT: one that served for so long and died is started again at once, once a second at most.
    package static let lifeMin = Duration.seconds(1)

    private var daemons: [Daemon]
    private var isStopping = false
    private var stopDeadline: Instant?

    /// - Parameter names: in the order they are stopped.
    package init(names: [String]) {
        daemons = names.map { Daemon(name: $0) }
    }

    /// How often each daemon was started again, for the last words.
    package var restarts: [String: Int] {
        Dictionary(daemons.map { ($0.name, max(0, $0.restarts)) }) { first, _ in first }
    }

    // MARK: Events

    package mutating func begin() -> [Action] {
        daemons.map { .start($0.name) }
    }

    package mutating func started(_ name: String, now: Instant) {
        change(name) {
            $0.state = .starting(since: now)
            $0.restarts += 1
        }
    }

    package mutating func notStarted(_ name: String, _ why: String, now: Instant) -> [Action] {
        [.say("\(name) could not be started: \(why)")] + again(name, now: now)
    }

    package mutating func ready(_ name: String, now: Instant) -> [Action] {
        var actions: [Action] = []
        change(name) { daemon in
            guard case .starting(let since) = daemon.state else { return }
            let milliseconds = since.nanoseconds(until: now) / 1_000_000
            daemon.state = .running(since: now, heard: now)
            actions = [.say("\(name) is ready (\(milliseconds) ms)")]
        }
        return actions
    }

    package mutating func heard(_ name: String, now: Instant) {
        change(name) {
            if case .running(let since, _) = $0.state {
                $0.state = .running(since: since, heard: now)
            }
        }
    }

    package mutating func connectionWaits(_ name: String) -> [Action] {
        guard !isStopping, state(name) == .idle else { return [] }
        return [.start(name)]
    }

    package mutating func ended(_ name: String, _ status: ExitStatus, now: Instant) -> [Action] {
        if isStopping {
            change(name) { $0.state = .ended }
            return [.say("\(name) ended: \(status.words)")] + stopNext(now: now)
        }
        if status == .exited(0), case .running = state(name) {
            change(name) { $0.state = .idle }
            return [.say("\(name) ended; it comes back with the next request"), .listen(name)]
        }
        if case .running(let since, _) = state(name),
            since.duration(until: now) >= Self.lifeMin
        {
            change(name) { $0.failures = 0 }
        }
        return [.say("\(name) ended unexpectedly: \(status.words)")] + again(name, now: now)
    }

    package mutating func stop(now: Instant) -> [Action] {
        guard !isStopping else { return [] }
        isStopping = true
        for index in daemons.indices {
            switch daemons[index].state {
            case .idle, .waiting: daemons[index].state = .ended
            case .starting, .running, .killed, .ended: continue
            }
        }
        return stopNext(now: now)
    }

    package mutating func tick(now: Instant) -> [Action] {
        var actions: [Action] = []
        if isStopping {
            guard let stopDeadline, stopDeadline <= now,
                let index = daemons.firstIndex(where: { $0.state != .ended })
            else { return [] }
            self.stopDeadline = now.advanced(by: Self.stopTimeout)
            return [.signal(daemons[index].name, .kill)]
        }
        for index in daemons.indices {
            let name = daemons[index].name
            switch daemons[index].state {
            case .waiting(let until) where until <= now:
                actions.append(.start(name))
            case .starting(let since) where since.advanced(by: Self.startTimeout) <= now:
                daemons[index].state = .killed
                actions += [.say("\(name) was not ready in time"), .signal(name, .kill)]
            case .running(_, let heard) where heard.advanced(by: Self.watchdogInterval) <= now:
                daemons[index].state = .killed
                actions += [.say("\(name) is stuck (watchdog)"), .signal(name, .kill)]
            default: continue
            }
        }
        return actions
    }

    /// When `tick` has something to do.
    package var nextDeadline: Instant? {
        if isStopping { return stopDeadline }
        return daemons.compactMap { daemon -> Instant? in
            switch daemon.state {
            case .waiting(let until): until
            case .starting(let since): since.advanced(by: Self.startTimeout)
            case .running(_, let heard): heard.advanced(by: Self.watchdogInterval)
            case .idle, .killed, .ended: nil
            }
        }.min()
    }

    // MARK: Inside

    private mutating func again(_ name: String, now: Instant) -> [Action] {
        let isStopping = isStopping
        var delay = Self.backoffMin
        change(name) { daemon in
            delay = min(Self.backoffMin * (1 << min(daemon.failures, 9)), Self.backoffMax)
            daemon.failures += 1
            daemon.state = isStopping ? .ended : .waiting(until: now.advanced(by: delay))
        }
        return isStopping ? [] : [.say("\(name) is started again in \(delay)")]
    }

    private mutating func stopNext(now: Instant) -> [Action] {
        guard let next = daemons.first(where: { $0.state != .ended }) else {
            stopDeadline = nil
            return [.finish]
        }
        stopDeadline = now.advanced(by: Self.stopTimeout)
        return [.signal(next.name, .terminate)]
    }

    private func state(_ name: String) -> State? {
        daemons.first { $0.name == name }?.state
    }

    private mutating func change(_ name: String, _ body: (inout Daemon) -> Void) {
        guard let index = daemons.firstIndex(where: { $0.name == name }) else { return }
        body(&daemons[index])
    }
}

extension ExitStatus {
    /// "exit code 78", "signal SIGKILL"
    package var words: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signaled(let signal, let coreDumped):
            "signal \(signal.name)" + (coreDumped ? ", core dumped" : "")
        }
    }
}
