// A configuration is read whole or refused with the name and place of what is wrong.

import Channel
import Chassis
import Interfaces
import Logging
import Syscalls
import Testing

@Suite("Configuration")
struct ConfigurationTests {
    private struct Example: DaemonConfiguration {
        var boxes: Int
        var colour: String
        var fast: Bool

        init(_ reader: ConfigurationReader) throws(ConfigurationError) {
            boxes = try reader.table("limits").integer("boxes", default: 7, in: 1...10)
            colour = try reader.string("colour", default: "grey")
            fast = try reader.boolean("fast", default: false)
        }
    }

    private func read(
        _ text: String, peers: [String] = []
    ) throws(ConfigurationError) -> (CommonConfiguration, Example) {
        let reader = try ConfigurationReader(text: text, file: "x.toml")
        let common = try CommonConfiguration(reader, peerNames: peers) {
            $0 == "alice" ? 1_000 : nil
        }
        let own = try Example(reader)
        try reader.finish()
        return (common, own)
    }

    @Test("An empty file gives the defaults")
    func emptyIsDefaults() throws {
        let (common, own) = try read("")
        #expect(common.state == "/var/lib/celaut")
        #expect(common.logLevel == .info)
        #expect(common.limits.connectionsPerUser == Server.Limits().connectionsPerUser)
        #expect(own.boxes == 7)
    }

    @Test("Keys of the chassis and of the daemon are read, also from one table")
    func keysAreRead() throws {
        let (common, own) = try read(
            """
            state = "/srv/node"
            log_level = "debug"
            colour = "blue"
            fast = true
            [limits]
            boxes = 3
            connections_per_user = 5
            requests_per_user = 6
            connections = 9
            [peers]
            box-builder = "/run/b.sock"
            """, peers: ["box-builder"])
        #expect(common.state == "/srv/node")
        #expect(common.logLevel == .debug)
        #expect(common.limits.connectionsPerUser == 5)
        #expect(common.limits.requestsPerUser == 6)
        #expect(common.limits.connections == 9)
        #expect(common.peers == ["box-builder": "/run/b.sock"])
        #expect(own.boxes == 3 && own.colour == "blue" && own.fast)
    }

    @Test(
        "A key nobody takes is refused by name and line",
        arguments: [
            ("colour = \"a\"\nshoe_size = 43\n", "shoe_size", 2),
            ("[limits]\nboxes = 1\n\nshoe_size = 43\n", "limits.shoe_size", 4),
            ("[shoes]\nsize = 43\n", "shoes", 1),
            ("limits.shoe_size = 3\n", "limits.shoe_size", 1),
            ("[callers]\nadmn = [1]\n", "callers.admn", 2),
            ("[peers]\nbox-bilder = \"/x\"\n", "peers.box-bilder", 2),
        ])
    func unknownKey(text: String, key: String, line: Int) {
        let error = failure { () throws(ConfigurationError) in _ = try read(text) }
        #expect(error?.key == key)
        #expect(error?.line == line)
        #expect(error?.exitCode == .configuration)
        #expect(error?.description.contains("x.toml:\(line)") == true)
        #expect(error?.description.contains("\"\(key)\"") == true)
        guard case .unknownKey = error?.problem else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(
        "A value of the wrong type, or out of its range, is refused by name",
        arguments: [
            ("colour = 3", "colour"), ("fast = \"yes\"", "fast"),
            ("[limits]\nboxes = \"3\"", "limits.boxes"),
            ("[limits]\nboxes = 11", "limits.boxes"), ("[limits]\nboxes = 0", "limits.boxes"),
            ("[limits]\nboxes = 2.5", "limits.boxes"), ("limits = 4", "limits"),
            ("state = \"relative\"", "state"),
            ("log_level = \"loud\"", "log_level"), ("state = 1979-05-27", "state"),
            ("[limits]\nconnections_per_user = 0", "limits.connections_per_user"),
        ])
    func wrongValue(text: String, key: String) {
        let error = failure { () throws(ConfigurationError) in _ = try read(text) }
        #expect(error?.key == key)
        #expect(error?.line != nil)
        #expect(error?.exitCode == .configuration)
    }

    @Test("A missing peer is refused by name")
    func missingPeer() {
        let error = failure { () throws(ConfigurationError) in
            _ = try read("", peers: ["box-builder"])
        }
        #expect(error?.key == "peers.box-builder")
        #expect(error?.problem == .missing(expected: "text"))
    }

    @Test(
        "What is no TOML is refused with its line",
        arguments: ["state = = 1", "[a\n", "a = 1\na = 2"])
    func malformed(text: String) {
        let error = failure { () throws(ConfigurationError) in _ = try read("\n" + text) }
        guard case .malformed = error?.problem else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect((error?.line ?? 0) >= 2)
    }

    @Test(
        "What the parser would not survive is refused with its line",
        arguments: [
            "[\nx]", "[[\n", "[+x]", "[[[x]]]", "[ \u{E9}]", "a = [1, }", "a = [}]",
            "a = [1, \u{B}]", "a = [\u{A0}1]", "a = 1979-05-27Tx", "a = 1979-05-27t:00:00",
            "a = 1979-05-27 1,", "a = [{b = [1979-05-27T", #"a = {b = "\"", c = 1979-05-27T}"#,
            "a = \"\"\"\\\"\"\"\"\"\n[}",
        ])
    func fatal(text: String) {
        let error = failure { () throws(ConfigurationError) in _ = try read("\n" + text) }
        guard case .malformed = error?.problem else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect((error?.line ?? 0) >= 2)
    }

    @Test(
        "What only looks like what the parser would not survive is read",
        arguments: [
            #"a = "[\n[}""#, "a = '''\n[}\n'''", "a = \"\"\"\\\"\"\"\\\"\n[}\"\"\"",
            "# [}\na = 1", "a = 1 # [}", "1979-05-27Tx = 1", "a = {1979-05-27Tx = 1}",
            "a = [\n[],\n[ # }\n1],]", "[ a . 'b]' ]\nc = 1979-05-27T07:32:00Z",
            "a = 1979-05-27 # x", "a = 1979-05-27 07:32:00", "[['}'.x]]\n[\"[\"]",
            "a = {}\nb = {c = [{d = 1}, {}], e = ''}\n[f]", "[a]\r\nb = [1,\r\n2]\r\n",
        ])
    func notFatal(text: String) throws {
        _ = try ConfigurationReader(text: text, file: "x.toml")
    }

    @Test("A file that is not there, is not text or is too large is refused by its name")
    func unreadable() throws {
        let directory = try TemporaryDirectory()
        let absent = failure { () throws(ConfigurationError) in
            _ = try ConfigurationReader(file: directory.path + "/absent.toml")
        }
        #expect(absent?.problem == .unreadable(.noEntry))
        #expect(absent?.exitCode == .configurationMissing)
        #expect(absent?.description.contains("absent.toml") == true)

        let large = try directory.write("large.toml", String(repeating: "#", count: 1_048_577))
        let tooLarge = failure { () throws(ConfigurationError) in
            _ = try ConfigurationReader(file: large)
        }
        #expect(tooLarge?.problem == .unreadable(.fileTooLarge))

        let null = try directory.write("null.toml", "a = \"\u{0}\"")
        let withNull = failure { () throws(ConfigurationError) in
            _ = try ConfigurationReader(file: null)
        }
        #expect(withNull?.exitCode == .configuration)
    }

    @Test("Tables inside each other are bounded")
    func depth() {
        let deep = String(repeating: "a.", count: 40) + "a = 1"
        let error = failure { () throws(ConfigurationError) in
            _ = try ConfigurationReader(text: deep, file: "x.toml")
        }
        #expect(error?.exitCode == .configuration)
    }

    @Test("A map takes any name, and its tables are still checked")
    func map() throws {
        let reader = try ConfigurationReader(
            text: "[networks.one]\nallow = [\"x\"]\n[networks.two]\nallwo = 1\n", file: "x.toml")
        let networks = try reader.table("networks").tables()
        #expect(networks.map(\.name) == ["one", "two"])
        for (_, network) in networks { _ = try? network.strings("allow") }
        let error = failure { () throws(ConfigurationError) in try reader.finish() }
        #expect(error?.key == "networks.two.allwo")
        #expect(error?.line == 4)
    }
}

@Suite("Caller roles")
struct CallerRolesTests {
    private func roles(_ text: String) throws(ConfigurationError) -> CallerRoles {
        let reader = try ConfigurationReader(text: "[callers]\n" + text, file: "x.toml")
        let roles = try CallerRoles(try reader.table("callers")) {
            ["alice": 1_000, "bob": 1_001][$0]
        }
        try reader.finish()
        return roles
    }

    @Test("Users have the role they are named for, by name or number")
    func named() throws {
        let roles = try roles("admin = [\"alice\", 7]\ngateway-broker = 64102\nclient = \"bob\"")
        #expect(roles.role(of: 1_000) == .admin)
        #expect(roles.role(of: 7) == .admin)
        #expect(roles.role(of: 64_102) == .gatewayBroker)
        #expect(roles.role(of: 1_001) == .client)
    }

    @Test("Who is not named has no role")
    func stranger() throws {
        #expect(try roles("admin = [7]").role(of: 8) == nil)
    }

    @Test("Root is an admin, unless it is named for something else")
    func root() throws {
        #expect(try roles("").role(of: 0) == .admin)
        #expect(try roles("sandbox-supervisor = 0").role(of: 0) == .sandboxSupervisor)
    }

    @Test("Anybody can be a client, and nothing else")
    func anybody() throws {
        let open = try roles("client = [\"*\"]\nadmin = 7")
        #expect(open.role(of: 4_000_000_000) == .client)
        #expect(open.role(of: 7) == .admin)
        for role in Role.allCases where role != .client {
            let error = failure { () throws(ConfigurationError) in
                _ = try roles("\(role.name) = \"*\"")
            }
            #expect(error?.key == "callers.\(role.name)")
        }
    }

    @Test(
        "A user who does not exist, who has two roles, or who is no user is refused",
        arguments: [
            ("admin = \"carol\"", "carol"), ("admin = 7\nclient = 7", "7"), ("admin = -1", "users"),
            ("admin = 5000000000", "users"), ("admin = true", "users"), ("admin = \"\"", "users"),
        ])
    func refused(text: String, word: String) {
        let error = failure { () throws(ConfigurationError) in _ = try roles(text) }
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
        #expect(error?.exitCode == .configuration)
    }
}
