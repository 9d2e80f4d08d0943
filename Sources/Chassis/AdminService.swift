// What every daemon answers to its maintainer (`admin.proto`).

package import Channel
package import Interfaces
import SwiftProtobuf
import Syscalls

package actor AdminService: AdminHandler {
    package nonisolated let loop: EventLoop
    private let name: String
    private let started = Clock.monotonicNanoseconds()
    private let surroundings: Surroundings
    private let facts: @Sendable () async -> [String: String]
    private weak var server: Server?

    /// What a daemon is in, beside what it does.
    package struct Surroundings: Sendable {
        package var sink: LogSink
        package var life: Life
        package var statePath: String
        package var limits: [String: UInt64]

        package init(sink: LogSink, life: Life, statePath: String, limits: [String: UInt64]) {
            self.sink = sink
            self.life = life
            self.statePath = statePath
            self.limits = limits
        }
    }

    package init(
        loop: EventLoop, name: String, surroundings: Surroundings,
        facts: @escaping @Sendable () async -> [String: String]
    ) {
        self.loop = loop
        self.name = name
        self.surroundings = surroundings
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
        reply.facts = Self.sorted(await facts())
        reply.interfaces = (server?.interfaces ?? []).map(\.asServed).sorted {
            $0.number < $1.number
        }
        surroundings.tell(&reply)
        return reply
    }

    fileprivate static func sorted(_ facts: [String: String]) -> [Fact] {
        facts.sorted { $0.key < $1.key }.map { name, value in
            Fact.with {
                $0.name = name
                $0.value = value
            }
        }
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

extension AdminService.Surroundings {
    fileprivate func tell(_ reply: inout GetStatusReply) {
        reply.restarts = life.record.starts - 1
        if let error = sink.lastError {
            reply.lastError = error.text
            reply.lastErrorMs = error.realtimeMs
        } else {
            reply.lastError = life.complaint
            reply.lastErrorMs = life.complaintMs
        }
        reply.limits = AdminService.sorted(limits.mapValues { String($0) })
        reply.statePath = statePath
        if let space = try? FileSystem.space(statePath) {
            reply.diskFreeBytes = space.availableBytes
            reply.diskBytes = space.totalBytes
        }
    }
}

extension InterfaceDescriptor {
    fileprivate var asServed: ServedInterface {
        ServedInterface.with {
            $0.name = name
            $0.number = UInt32(number)
            $0.revisionMin = UInt32(revisions.lowerBound)
            $0.revisionMax = UInt32(revisions.upperBound)
        }
    }
}
