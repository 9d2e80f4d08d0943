import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl clients`: those who use the node without being users of its host.
struct Clients: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Adds, lists and revokes clients.",
        discussion: """
            A client is somebody who is no user of this host and shows a token instead. The token is \
            printed once.

            Examples:
              celautctl clients add ci
              celautctl clients list
              celautctl clients revoke ci
            """,
        subcommands: [Add.self, List.self, Revoke.self])

    struct Report: Encodable {
        let name: String
        let number: UInt32
        let addedAtMs: UInt64
        /// Only in the answer to `add`.
        var token: String?

        init(_ client: ClientRecord, token: String? = nil) {
            name = client.name
            number = client.number
            addedAtMs = client.addedAtMs
            self.token = token
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Adds a client and prints its token.",
            discussion: "Example:\n  celautctl clients add ci")

        @Argument(help: "A name for it.")
        var name: String
        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            let request = AddClientRequest.with {
                $0.keyBytes = Random.bytes(16)
                $0.name = name
            }
            Session.run(options) { session, _ async throws(Complaint) in
                let reply = try await session.asked { () async throws(Fault) in
                    try await session.gateway.addClient(request)
                }
                switch format {
                case .json: Printer.json(Report(reply.client, token: reply.token))
                case .table: Printer.line(reply.token)
                }
                return .success
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the clients.", discussion: "Example:\n  celautctl clients list",
            aliases: ["ls"])

        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let clients = try await session.collected { () async throws(Fault) in
                    try await session.gateway.listClients(ListClientsRequest())
                }.map { Report($0) }
                switch format {
                case .json: Printer.json(clients)
                case .table:
                    let now = Clock.realtimeNanoseconds() / 1_000_000
                    Printer.table(
                        ["NAME", "NUMBER", "AGE"],
                        clients.map {
                            let age = now > $0.addedAtMs ? now - $0.addedAtMs : 0
                            return [
                                $0.name, String($0.number), Words.duration(milliseconds: age),
                            ]
                        })
                }
                return .success
            }
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a client's token worthless; what it started goes on.",
            discussion: "Example:\n  celautctl clients revoke ci")

        @Argument(help: "Its name.")
        var name: String
        @OptionGroup var options: NodeOptions

        func run() {
            let request = RevokeClientRequest.with { $0.name = name }
            Session.run(options) { session, _ async throws(Complaint) in
                _ = try await session.asked { () async throws(Fault) in
                    try await session.gateway.revokeClient(request)
                }
                return .success
            }
        }
    }
}
