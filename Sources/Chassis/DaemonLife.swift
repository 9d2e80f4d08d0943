// From the service's start to its end, on the loop: READY when requests are taken, the watchdog
// while it serves, and an end in which everyone who waits is answered or told.

import Channel
import Interfaces
import Logging
import Synchronization
import Syscalls

actor DaemonLife {
    // LIMIT: the whole of stopping. The server's own bound is half of it; what has not ended by
    // then never will, and whoever started us should not have to kill.
    private static let stopTimeout = Duration.seconds(10)

    private enum End {
        case asked(Signal)
        case failed(String)
    }

    private nonisolated let loop: EventLoop
    private let listening: SharedDescriptor
    private let name: String
    private let sink: LogSink
    private let logger: Logger
    private let common: CommonConfiguration
    private let configurationPath: String
    private let manager: ServiceManager
    private let surroundings: AdminService.Surroundings

    private var end: End?
    private var waiter: Suspended<End>?

    init(
        loop: EventLoop, listening: SharedDescriptor, name: String, sink: LogSink,
        common: CommonConfiguration, configurationPath: String, manager: ServiceManager,
        surroundings: AdminService.Surroundings
    ) {
        self.loop = loop
        self.listening = listening
        self.name = name
        self.sink = sink
        self.logger = sink.logger()
        self.common = common
        self.configurationPath = configurationPath
        self.manager = manager
        self.surroundings = surroundings
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop lives as long as this actor, which holds it.
        unsafe loop.asUnownedSerialExecutor()
    }

    /// Lives on the calling thread.
    nonisolated func run(
        _ start: @escaping @Sendable () async throws -> RunningDaemon
    ) -> ExitCode {
        do throws(Errno) {
            // Before the first other thread, so that they all have the signals blocked.
            try loop.onSignals([.terminate, .interrupt, .hangUp]) { arrived in
                self.assumeIsolated { $0.heard(arrived) }
            }
        } catch {
            Terminal.write("\(name): signals cannot be taken: \(error)\n", to: .error)
            return .system
        }
        let ended = CodeBox()
        Task(executorPreference: loop) {
            let outcome = await self.live(start)
            ended.code.withLock { $0 = outcome }
            self.loop.stop()
        }
        loop.run()
        return ended.code.withLock { $0 }
    }

    private final class CodeBox: Sendable {
        let code = Mutex(ExitCode.software)
    }

    private func live(_ start: @Sendable () async throws -> RunningDaemon) async -> ExitCode {
        do {
            let running = try await start()
            let server = try await serve(running)
            let watchdog = Watchdog(loop: loop, manager: manager)
            manager.ready("serving")
            watchdog.begin()
            logger.notice("ready", metadata: ["version": "\(Release.version)"])
            let task = accompany(running)
            let end = await nextEnd()
            await stop(server, running, task, end)
            if case .failed = end { return .software }
            surroundings.life.stopped()
            return .success
        } catch {
            let failure =
                error as? DaemonFailure ?? DaemonFailure(.software, "cannot start: \(error)")
            logger.critical("\(failure.description)")
            return failure.exitCode
        }
    }

    private func serve(_ running: RunningDaemon) async throws(DaemonFailure) -> Server {
        let admin = AdminService(
            loop: loop, name: name, surroundings: surroundings, facts: running.facts)
        let roles = common.callers
        let logger = logger
        do throws(Errno) {
            let server = Server(
                loop: loop, listening: try listening.descriptor.duplicate(),
                dispatchers: running.dispatchers + [AdminDispatcher(admin)], program: name,
                version: Release.version, limits: common.limits,
                role: { roles.role(of: $0) }, report: { logger.report($0) })
            await admin.observe(server)
            try server.start()
            return server
        } catch {
            throw DaemonFailure(.system, "the listening socket cannot be served: \(error)")
        }
    }

    /// Runs what a daemon does beside its requests.
    private func accompany(_ running: RunningDaemon) -> Task<Void, Never>? {
        guard let serve = running.serve else { return nil }
        return Task(executorPreference: loop) {
            do {
                try await serve()
                await self.finish(.failed("the daemon's own work ended"))
            } catch {
                await self.finish(.failed("\(error)"))
            }
        }
    }

    private func stop(
        _ server: Server, _ running: RunningDaemon, _ task: Task<Void, Never>?, _ end: End
    ) async {
        switch end {
        case .asked(let signal):
            manager.stopping("stopping, asked by \(signal.name)")
            logger.notice("stopping", metadata: ["signal": "\(signal.name)"])
        case .failed(let why):
            manager.stopping("failed")
            logger.critical("failed", metadata: ["why": "\(why)"])
        }
        let patience = loop.schedule(after: Self.stopTimeout) { [logger] in
            logger.error("not stopped in time: ending as it is")
            Process.exit(ExitCode.software.rawValue, now: true)
        }
        async let goodbye: Void = server.stop()
        await running.stop()
        await goodbye
        task?.cancel()
        await task?.value
        loop.cancel(patience)
        logger.notice("stopped")
    }

    // MARK: The end

    private func nextEnd() async -> End {
        await suspend(unless: { end }, keep: { waiter = $0 })
    }

    /// The first reason counts.
    private func finish(_ reason: End) {
        guard end == nil else { return }
        end = reason
        waiter?.resume(reason)
        waiter = nil
    }

    private func heard(_ arrived: SignalFD.Arrived) {
        if arrived.signal == .hangUp { return reload() }
        finish(.asked(arrived.signal))
    }

    /// Only the log level can change while a daemon runs; for all else it is restarted.
    private func reload() {
        do throws(ConfigurationError) {
            let level = try CommonConfiguration.logLevel(
                try ConfigurationReader(file: configurationPath))
            sink.level = level
            logger.notice("log level set", metadata: ["level": "\(level.rawValue)"])
        } catch {
            logger.error("the configuration was not read again: \(error.description)")
        }
    }
}

/// Says that the loop still turns. It runs on the loop, so a loop that is stuck says nothing.
private final class Watchdog {
    private let loop: EventLoop
    private let manager: ServiceManager
    private let interval: Duration?

    init(loop: EventLoop, manager: ServiceManager) {
        self.loop = loop
        self.manager = manager
        interval = ServiceManager.watchdogInterval()
    }

    func begin() {
        guard let interval else { return }
        manager.alive()
        _ = loop.schedule(after: interval / 2) { self.begin() }
    }
}

extension Logger {
    /// What a server has to say, without anything a request carried.
    fileprivate func report(_ event: Server.Event) {
        switch event {
        case .closed(let uid, let pid, let program, let reason, let subject):
            notice(
                "connection ended",
                metadata: [
                    "uid": "\(uid)", "pid": "\(pid)", "peer": "\(program)", "reason": "\(reason)",
                    "subject": "\(subject)",
                ])
        case .descriptorsClosed(let count):
            notice("undeclared descriptors closed", metadata: ["count": "\(count)"])
        case .acceptFailed(let errno):
            error("connections cannot be taken", metadata: ["errno": "\(errno.name)"])
        }
    }
}
