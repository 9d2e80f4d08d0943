// What every daemon answers to its maintainer (`admin.proto`).

package import Channel
package import Interfaces
import Syscalls

package actor AdminService: AdminHandler {
    package nonisolated let loop: EventLoop
    private let name: String
    private let started = Clock.monotonicNanoseconds()
    private let facts: @Sendable () async -> [String: String]
    private weak var server: Server?

    package init(
        loop: EventLoop, name: String, facts: @escaping @Sendable () async -> [String: String]
    ) {
        self.loop = loop
        self.name = name
        self.facts = facts
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        // SAFETY: the loop lives as long as this actor, which holds it.
        unsafe loop.asUnownedSerialExecutor()
    }

    /// Whose connections and requests are told.
    package func observe(_ server: Server) {
        self.server = server
    }

    package func getStatus(
        _ request: GetStatusRequest, context: CallContext
    ) async throws(Fault) -> GetStatusReply {
        var reply = GetStatusReply()
        reply.daemon = name
        reply.version = Release.version
        reply.processID = UInt32(Process.pid)
        reply.uptimeMs = (Clock.monotonicNanoseconds() - started) / 1_000_000
        reply.privateMemoryBytes = Self.privateMemoryBytes()
        reply.connections = UInt32(server?.connectionCount ?? 0)
        reply.requests = server?.answeredCount ?? 0
        for (name, value) in await facts().sorted(by: { $0.key < $1.key }) {
            var fact = Fact()
            fact.name = name
            fact.value = value
            reply.facts.append(fact)
        }
        return reply
    }

    /// Memory that no other process shares; 0 where the kernel does not say.
    static func privateMemoryBytes() -> UInt64 {
        guard let bytes = try? File.readAll("/proc/self/smaps_rollup", limit: 65_536) else {
            return 0
        }
        var kibibytes: UInt64 = 0
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            guard line.hasPrefix("Private_Clean:") || line.hasPrefix("Private_Dirty:") else {
                continue
            }
            let number = line.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
            kibibytes += number ?? 0
        }
        return kibibytes * 1_024
    }
}
