import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl networks`: what services may reach.
struct Networks: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists and tests the networks that services may reach.",
        discussion: """
            A service reaches nothing but the networks its specification declares, and of those only \
            what the node's configuration allows: patterns in [networks] allow and deny, and \
            endpoints in [networks.named.NAME] of gateway-broker.toml.

            Examples:
              celautctl networks list
              celautctl networks test web
            """,
        subcommands: [List.self, Test.self])

    struct Report: Encodable {
        let name: String
        let verdict: String
        let pattern: String
        let endpoints: [String]
        let protocols: [String]
        let instances: [String]
        let granted: UInt32

        init(_ record: NetworkRecord) {
            name = record.name
            verdict = record.verdict.word
            pattern = record.pattern
            endpoints = record.endpoints
            protocols = record.protocols
            instances = record.instanceIds.map { Words.hex(Array($0)) }
            granted = record.granted
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the networks the node names and those that instances declare.",
            discussion: "Example:\n  celautctl networks list", aliases: ["ls"])

        @OptionGroup var options: NodeOptions

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let networks = try await session.collected { () async throws(Fault) in
                    try await session.gateway.listNetworks(ListNetworksRequest())
                }.map { Report($0) }
                switch format {
                case .json: Printer.json(networks)
                case .table:
                    Printer.table(
                        ["NETWORK", "STATE", "PATTERN", "INSTANCES", "WAYS", "ENDPOINTS"],
                        networks.map {
                            [
                                $0.name, $0.verdict, $0.pattern.isEmpty ? "-" : $0.pattern,
                                String($0.instances.count), String($0.granted),
                                $0.endpoints.isEmpty ? "-" : $0.endpoints.joined(separator: " "),
                            ]
                        })
                }
                return .success
            }
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what a service that declares a network would reach, and tries it.",
            discussion: """
                Exit code 0: it is allowed, and every endpoint took a connection. 1: it is not, or one \
                did not. Datagrams and instances are not tried.

                Examples:
                  celautctl networks test web
                  celautctl networks test bitcoin-mainnet --protocol bitcoin
                """)

        @Argument(help: "The network: a tag that a service declares. All tags of one network.")
        var tags: [String]
        @Option(
            name: .customLong("protocol"), parsing: .singleValue,
            help: "A protocol that the service expects of its peers. May be given again.")
        var protocols: [String] = []
        @OptionGroup var options: NodeOptions

        struct Peer: Encodable {
            let peer: String
            let transport: String
            let address: String
            let failure: String
            let connectUs: UInt32

            init(_ peer: TestedPeer) {
                let slot = "\(Words.hex(peer.instanceIDBytes)) slot \(peer.slot)"
                self.peer = peer.endpoint.isEmpty ? slot : peer.endpoint
                transport = peer.transport.word
                address = peer.address
                failure = peer.failure
                connectUs = peer.connectUs
            }

            var words: String {
                if !failure.isEmpty { return failure }
                return connectUs == 0 ? "not tried" : "reached in \(connectUs) us"
            }
        }

        struct Answer: Encodable {
            let verdict: String
            let pattern: String
            let peers: [Peer]
        }

        func validate() throws {
            guard !tags.isEmpty else { throw ValidationError("Name a network.") }
        }

        func run() {
            let format = options.format
            let request = TestNetworkRequest.with {
                $0.tags = tags
                $0.protocols = protocols
            }
            Session.run(options) { session, _ async throws(Complaint) in
                let reply = try await session.asked { () async throws(Fault) in
                    try await session.gateway.testNetwork(request)
                }
                let answer = Answer(
                    verdict: reply.verdict.word, pattern: reply.pattern,
                    peers: reply.peers.map { Peer($0) })
                switch format {
                case .json: Printer.json(answer)
                case .table: Self.show(answer)
                }
                guard reply.verdict == .allowed, answer.peers.allSatisfy(\.failure.isEmpty) else {
                    return .init(code: ExitCode.failure.rawValue)
                }
                return .success
            }
        }

        private static func show(_ answer: Answer) {
            let pattern = answer.pattern.isEmpty ? "" : " by \"\(answer.pattern)\""
            Printer.line("\(answer.verdict)\(pattern)")
            guard !answer.peers.isEmpty else {
                if answer.verdict == NetworkVerdict.allowed.word { Printer.line("no peers") }
                return
            }
            Printer.table(
                ["PEER", "TRANSPORT", "ADDRESS", "RESULT"],
                answer.peers.map {
                    [$0.peer, $0.transport, $0.address.isEmpty ? "-" : $0.address, $0.words]
                })
            // systemd's IPAddressDeny= answers so.
            if answer.peers.contains(where: { $0.failure == "EPERM" || $0.failure == "EACCES" }) {
                Printer.note(
                    "The unit of gateway-broker lets it reach this machine only. Allow more with "
                        + "\"systemctl edit celaut-gateway-broker\": [Service] IPAddressAllow=")
            }
        }
    }
}

extension NetworkVerdict {
    var word: String {
        switch self {
        case .allowed: "allowed"
        case .denied: "denied"
        case .unnamed: "not allowed"
        case .unspecified, .UNRECOGNIZED: "unknown"
        }
    }
}
