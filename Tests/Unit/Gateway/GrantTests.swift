// Tokens that open a part of an instance, and clients: over the door, with restarts between.

// Tokens with a scope, and the clients they are for.

import Interfaces
import SwiftProtobuf
import Testing
import gateway_broker

@Suite("tokens and clients", .timeLimit(.minutes(10)))
struct GrantTests {
    private static func key(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 16) }

    @Test("a token opens what it was granted for and nothing else, until it is revoked")
    func scopes() async throws {
        try await GatewayServiceTests.run { bench in
            let first = try #require(try await bench.start().last?.started.token)
            let client = bench.client(uid: 4_000)
            let request = GrantTokenRequest.with {
                $0.keyBytes = Self.key(1)
                $0.instance.token = first
                $0.scopes = [.observe]
            }
            let token = try await client.grantToken(request).token
            #expect(token != first)
            #expect(try await client.grantToken(request).token == token)
            let inspect = InspectServiceRequest.with { $0.instance.token = token }
            #expect(try await client.inspectService(inspect).instance.state.phase == .ready)
            await #expect(throws: GatewayFault.outOfScope(.stop)) {
                try await client.stopService(.with { $0.instance.token = token })
            }
            await #expect(throws: GatewayFault.outOfScope(.tunnel)) {
                try await client.openTunnel(.with { $0.instance.token = token })
            }
            try await bench.restart()
            let again = bench.client(uid: 4_000)
            #expect(try await again.inspectService(inspect).instance.state.phase == .ready)
            _ = try await again.revokeToken(.with { $0.token = token })
            await #expect(throws: GatewayFault.wrongToken()) {
                try await again.inspectService(inspect)
            }
            _ = try await again.revokeToken(.with { $0.token = first })
            try await bench.restart()
            let last = bench.client(uid: 4_000)
            await #expect(throws: GatewayFault.wrongToken()) {
                try await last.stopService(.with { $0.instance.token = first })
            }
        }
    }

    @Test("a key stands for one request")
    func replay() async throws {
        try await GatewayServiceTests.run { bench in
            let first = try #require(try await bench.start().last?.started.token)
            var request = GrantTokenRequest.with {
                $0.keyBytes = Self.key(1)
                $0.instance.token = first
                $0.scopes = [.observe]
            }
            _ = try await bench.client().grantToken(request)
            request.scopes = [.observe, .stop]
            let changed = request
            let client = bench.client()
            await #expect(throws: GatewayFault.keyReused()) {
                try await client.grantToken(changed)
            }
        }
    }

    @Test("a client's token says who it is until the client is revoked")
    func clients() async throws {
        try await GatewayServiceTests.run { bench in
            let service = bench.service
            let admin = bench.client(.admin, uid: 0)
            let added = try await admin.addClient(
                .with {
                    $0.keyBytes = Self.key(2)
                    $0.name = "ci"
                })
            #expect(added.client.number >= GrantBook.numberMin)
            let caller = try await service.identify(token: added.token)
            #expect(caller == .client(number: added.client.number))
            #expect(try await service.whoAmI(caller).client == "ci")
            await #expect(throws: GatewayFault.nameTaken("ci")) {
                try await admin.addClient(
                    .with {
                        $0.keyBytes = Self.key(3)
                        $0.name = "ci"
                    })
            }
            _ = try await admin.revokeClient(.with { $0.name = "ci" })
            await #expect(throws: GatewayFault.wrongToken()) {
                try await service.identify(token: added.token)
            }
            let user = GatewayCaller.user(uid: 1_000, isMaintainer: false)
            await #expect(throws: GatewayFault.forbidden("clients")) {
                try await service.revokeClient(.with { $0.name = "ci" }, by: user)
            }
        }
    }

    @Test("no token is written down")
    func onlyDigests() async throws {
        try await GatewayServiceTests.run { bench in
            let added = try await bench.client(.admin, uid: 0).addClient(
                .with {
                    $0.keyBytes = Self.key(2)
                    $0.name = "ci"
                })
            let token = Hexadecimal.bytes(added.token)
            for grant in try bench.storage.loadGrants() {
                for kept in [grant.digest.bytes, grant.id.bytes, grant.key, grant.request] {
                    #expect(kept != token)
                }
            }
        }
    }
}
