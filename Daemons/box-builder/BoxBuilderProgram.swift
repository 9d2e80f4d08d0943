package import Chassis
import Interfaces
import Logging
import Syscalls

/// What this daemon is to the chassis: its name, what it keeps, how it is made.
package enum BoxBuilderProgram: DaemonProgram {
    package typealias Configuration = BoxBuilderConfiguration

    package static let name = "box-builder"
    package static let store: StorePlan? = StorePlan(name: "index", migrations: BoxIndex.migrate)

    package static func start(
        _ context: DaemonContext<BoxBuilderConfiguration>
    ) async throws -> RunningDaemon {
        let index = BoxIndex(context.database)
        let store = try sweptStore(context.state, index, context.logger)
        let time = context.time
        let service = BoxBuilderService(
            loop: context.loop, store: store, index: index, logger: context.logger,
            now: { time.realtimeNanoseconds() / 1_000_000_000 })
        return RunningDaemon(
            dispatchers: [BoxBuilderDispatcher(service)],
            facts: { await service.facts },
            stop: { await service.stop() })
    }

    private static func sweptStore(
        _ state: StateDirectory, _ index: BoxIndex, _ logger: Logger
    ) throws(DaemonFailure) -> ObjectStore {
        let store: ObjectStore
        do throws(Errno) {
            store = try ObjectStore(in: state.descriptor)
        } catch {
            throw DaemonFailure(.state, "\(state.path) cannot be prepared: \(error)")
        }
        do throws(Fault) {
            let swept = try StoreSweep.run(store, index)
            if !swept.isEmpty {
                logger.notice(
                    """
                    removed what had no box: \(swept.objects) objects, \(swept.images) images, \
                    \(swept.checkouts) checkouts, \(swept.staged) unfinished files
                    """)
            }
        } catch {
            throw DaemonFailure(.storeFailing, "\(state.path) cannot be swept: \(error)")
        }
        return store
    }
}

/// It has no keys of its own.
package struct BoxBuilderConfiguration: DaemonConfiguration {
    package init(_ reader: ConfigurationReader) throws(ConfigurationError) {}
}
