// Shared directories: from a specification to what the supervisor compares.

import Interfaces
import ServiceModel
import Testing
import gateway_broker

@Suite("Directories shared in a family") struct ShareTermsTests {
    private static let shares = [
        SharedDirectory(path: ["srv", "out"], share: DirectoryShare(role: .offered)),
        SharedDirectory(
            path: ["mnt", "models"],
            share: DirectoryShare(role: .inherited, access: .readOnly, tag: "models")),
        SharedDirectory(
            path: ["mnt", "set"], share: DirectoryShare(role: .inherited, variable: "A")),
    ]

    private static func plan(
        parent: InstanceID?, _ environment: [EnvironmentVariable] = []
    ) throws(Fault) -> InstancePlan {
        let order = StartOrder(
            id: RegistryFixture.id(1), owner: 1, key: [], content: [], reference: "redis",
            wishes: LaunchWishes(environment: environment), readyDeadline: 1_234, parent: parent)
        var terms = try BoxTerms(InstancePlanTests.service())
        terms.shares = shares
        return try InstancePlan(
            record: InstanceRecord(order: order, name: "x", acceptedAt: 0),
            serviceID: [UInt8](repeating: 5, count: 32), terms: terms, limits: GatewayLimits())
    }

    @Test("each is told with its place, its name on both sides, and whether it may be written")
    func messages() throws {
        let request = try Self.plan(parent: RegistryFixture.id(2)).request
        #expect(request.offers.map(\.path) == [["srv", "out"]])
        #expect(request.offers.map(\.name) == ["/srv/out"])
        #expect(request.offers.map(\.readOnly) == [false])
        #expect(request.inherited.map(\.path) == [["mnt", "models"], ["mnt", "set"]])
        #expect(request.inherited.first?.name == "models")
        #expect(request.inherited.map(\.readOnly) == [true, false])
        #expect(request.parentIDBytes == RegistryFixture.id(2).bytes)
    }

    @Test("a variable parts what has one name, and its value is not told")
    func variable() throws {
        func name(_ value: String?) throws -> String? {
            let given = value.map { [InstancePlanTests.variable("A", $0)] } ?? []
            return try Self.plan(parent: RegistryFixture.id(2), given).request.inherited.last?.name
        }
        let (none, one, other) = (try name(nil), try name("secret"), try name("other"))
        #expect(Set([none, one, other]).count == 3)
        #expect(try name("secret") == one)
        #expect(one?.hasPrefix("/mnt/set A=") == true && one?.contains("secret") == false)
    }

    @Test("who has no parent inherits nothing and is refused by the path")
    func orphan() {
        #expect(throws: Fault(.forbidden, subject: "share /mnt/models")) {
            try Self.plan(parent: nil)
        }
    }

    @Test("terminals are declared by a word that is known", arguments: [nil, "false", "true", "x"])
    func terminals(_ word: String?) throws {
        var service = InstancePlanTests.service()
        if let word { service.container.initial.xattrs["terminals"] = Array(word.utf8) }
        if word == "x" {
            let fault = Fault(
                .unsupported, subject: "init.xattrs.terminals x", lines: ["true", "false"])
            #expect(throws: fault) { try BoxTerms(service) }
        } else {
            #expect(try BoxTerms(service).hasTerminals == (word == "true"))
        }
    }
}
