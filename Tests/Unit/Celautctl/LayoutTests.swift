// Where a node and a project keep their things.

import Syscalls
import Testing
import celautctl

@Suite struct LayoutTests {
    /// A folder of its own, removed at the end.
    private func inFolder(_ body: (String) throws -> Void) throws {
        let name = "celautctl-unit-\(Process.pid)-\(Random.integer())"
        try File.makeDirectory("/tmp/\(name)", mode: 0o755)
        defer { try? Directory.removeAll(at: Directory.open("/tmp"), name) }
        try body("/tmp/\(name)")
    }

    private func write(_ path: String, _ text: String = "x") throws {
        let file = try File.open(path, .writeOnly, [.create, .truncate])
        try File.writeAll(file, Array(text.utf8))
    }

    @Test("The state directory decides where the sockets are")
    func runtime() {
        #expect(NodeLayout(state: "/var/lib/celaut", programs: "/x").runtime == "/run/celaut")
        #expect(NodeLayout(state: "/tmp/a", programs: "/x").runtime == "/tmp/a/run")
    }

    @Test("A name with a quote or backslash cannot break out of the configuration")
    func quoting() {
        let layout = NodeLayout(state: "/tmp/a\"b\\c", programs: "/x")
        let line = layout.configuration("box-builder").split(separator: "\n")[1]
        #expect(line == "state = \"/tmp/a\\\"b\\\\c\"")
    }

    @Test("Only the gateway takes anybody; the others take the gateway and the maintainer")
    func callers() {
        let layout = NodeLayout(state: "/tmp/a", programs: "/x")
        for daemon in NodeLayout.daemons {
            let text = layout.configuration(daemon)
            #expect(text.contains("client = [\"*\"]") == (daemon == "gateway-broker"))
            #expect(text.contains("admin = [0]"))
        }
    }

    @Test("What a maintainer adds is put into the document, also into a table that is there")
    func added() throws {
        let layout = NodeLayout(state: "/tmp/a", programs: "/x")
        let added = OwnConfiguration([
            "sandbox-supervisor": "memory = 1\n\n[limits]  # mine\ninstances = 3\n",
            "gateway-broker": "[networks]\nallow = [\n  \"web\",\n]\n[networks.named.web]\nx = 1",
        ])
        let text = try added.added(
            to: layout.configuration("sandbox-supervisor"), of: "sandbox-supervisor")
        #expect(text.ranges(of: "[limits]").count == 1)
        let limits = try #require(text.firstRange(of: "[limits]"))
        #expect(text[limits.upperBound...].contains("requests_per_user = 4096"))
        #expect(text[limits.upperBound...].contains("instances = 3"))
        #expect(try #require(text.firstRange(of: "memory = 1")).lowerBound < limits.lowerBound)
        let gateway = try added.added(
            to: layout.configuration("gateway-broker"), of: "gateway-broker")
        #expect(gateway.contains("allow = [\n  \"web\",\n]\n[networks.named.web]\nx = 1"))
        let untouched = layout.configuration("box-builder")
        #expect(try added.added(to: untouched, of: "box-builder") == untouched)
    }

    @Test(
        "What up decides itself is refused by its name",
        arguments: [
            ("state = \"/x\"", "state"), ("[callers]\nclient = [1]", "[callers]"),
            ("[peers]\nx = \"y\"", "[peers]"),
        ])
    func decided(_ text: String, _ key: String) throws {
        let layout = NodeLayout(state: "/tmp/a", programs: "/x")
        let error = #expect(throws: Complaint.self) {
            try OwnConfiguration(["gateway-broker": text]).added(
                to: layout.configuration("gateway-broker"), of: "gateway-broker")
        }
        #expect(error?.text.contains(key) == true)
    }

    @Test("A folder of additions has files for daemons, and for nobody else")
    func folder() throws {
        try inFolder { folder in
            #expect(throws: Complaint.self) { try OwnConfiguration(folder: folder) }
            try write("\(folder)/gateway-broker.toml", "")
            #expect(throws: Never.self) { try OwnConfiguration(folder: folder) }
            try write("\(folder)/gateway.toml", "")
            #expect(throws: Complaint.self) { try OwnConfiguration(folder: folder) }
        }
    }

    @Test("A project is found by its folder, by .service first, or by its description")
    func project() throws {
        try inFolder { folder in
            try write("\(folder)/service.json")
            try File.makeDirectory("\(folder)/rootfs")
            #expect(
                try ProjectFiles(project: folder).description
                    == "\(folder)/service.json")
            #expect(
                try ProjectFiles(project: "\(folder)/service.json").source
                    == .tree("\(folder)/rootfs"))
            try File.makeDirectory("\(folder)/.service")
            try write("\(folder)/.service/service.json")
            let files = try ProjectFiles(project: folder)
            #expect(files.description == "\(folder)/.service/service.json")
            #expect(files.source == .tree("\(folder)/rootfs"))
        }
    }

    @Test("What is missing is named, with what to do")
    func missing() throws {
        try inFolder { folder in
            #expect(throws: Complaint.self) { try ProjectFiles(project: folder) }
            try write("\(folder)/service.json")
            do throws(Complaint) {
                _ = try ProjectFiles(project: folder)
                Issue.record("a project without a tree was taken")
            } catch {
                #expect(error.code == .notFound)
                #expect(error.text.contains(folder) && error.hint.contains("--rootfs"))
            }
            #expect(throws: Complaint.self) {
                try ProjectFiles(project: folder, .init(rootfs: "\(folder)/absent.tar"))
            }
        }
    }

    @Test(
        "A key that goes with another one is refused without it",
        arguments: ["debian_essential\": true", "image_name\": \"app:1\""])
    func orphan(_ key: String) throws {
        try inFolder { folder in
            try write("\(folder)/service.json")
            try File.makeDirectory("\(folder)/rootfs")
            try write("\(folder)/pack_config.json", "{\"\(key)}")
            let complaint = #expect(throws: Complaint.self) { try ProjectFiles(project: folder) }
            #expect(complaint?.text.contains(key.prefix { $0 != "\"" }) == true)
        }
    }

    @Test("An image that is written as other tools have it is told how to be written here")
    func imageHint() throws {
        try inFolder { folder in
            try write("\(folder)/service.json")
            try File.makeDirectory("\(folder)/layout")
            for (image, told) in [
                ("\(folder)/layout:1", "--image-name 1"), ("docker://debian:12", "skopeo copy"),
            ] {
                let complaint = #expect(throws: Complaint.self) {
                    try ProjectFiles(project: folder, .init(image: image))
                }
                #expect(complaint?.code == .notFound && complaint?.hint.contains(told) == true)
            }
        }
    }

    @Test("The name of an image is for that of the command line, too")
    func imageName() throws {
        try inFolder { folder in
            try write("\(folder)/service.json")
            try write("\(folder)/pack_config.json", "{\"image_name\": \"app:1\"}")
            try write("\(folder)/app.tar")
            let files = try ProjectFiles(project: folder, .init(image: "\(folder)/app.tar"))
            #expect(files.source == .image("\(folder)/app.tar", name: "app:1"))
        }
    }

    @Test("A folder that is closed to others is seen as such")
    func reach() throws {
        try inFolder { folder in
            #expect(Programs.isOpenToAll("\(folder)/program"))
            try File.makeDirectory("\(folder)/closed", mode: 0o700)
            #expect(!Programs.isOpenToAll("\(folder)/closed/program"))
        }
    }
}
