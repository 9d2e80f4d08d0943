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
        let index = try reservedIndex(context)
        let store = try sweptStore(context, index)
        index.keepReserve()
        let time = context.time
        let service = BoxBuilderService(
            loop: context.loop, store: store, index: index, logger: context.logger,
            now: { time.realtimeNanoseconds() / 1_000_000_000 })
        return RunningDaemon(
            dispatchers: [BoxBuilderDispatcher(service)],
            facts: { await service.facts },
            stop: { await service.stop() })
    }

    private static func reservedIndex(
        _ context: DaemonContext<BoxBuilderConfiguration>
    ) throws(DaemonFailure) -> BoxIndex {
        do throws(Errno) {
            return BoxIndex(
                context.database, reserve: try DiskReserve(in: context.state.descriptor))
        } catch {
            throw DaemonFailure(.state, "\(context.state.path) cannot be prepared: \(error)")
        }
    }

    private static func sweptStore(
        _ context: DaemonContext<BoxBuilderConfiguration>, _ index: BoxIndex
    ) throws(DaemonFailure) -> ObjectStore {
        let (state, logger) = (context.state, context.logger)
        let store: ObjectStore
        do throws(Errno) {
            let fileSystem = try FileSystem.space(state.descriptor).type
            let roots =
                context.configuration.roots
                ?? RootMode(kernelRelease: Kernel.release(), fileSystem: fileSystem)
            store = try ObjectStore(in: state.descriptor, roots: roots)
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
            throw DaemonFailure(
                error.code == .corrupt ? .storeCorrupt : .storeFailing,
                "\(state.path) cannot be swept: \(error)")
        }
        return store
    }
}

/// `roots`: "layers" or "checkout"; "auto", the default, goes by the kernel.
package struct BoxBuilderConfiguration: DaemonConfiguration {
    /// nil to go by the kernel.
    package let roots: RootMode?

    package init(_ reader: ConfigurationReader) throws(ConfigurationError) {
        let text = try reader.string("roots", default: "auto")
        roots = RootMode(rawValue: text)
        guard roots != nil || text == "auto" else {
            throw reader.invalid("roots", "must be auto, layers or checkout, and is \"\(text)\"")
        }
    }
}
