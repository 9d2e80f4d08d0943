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

    @Test("A folder that is closed to others is seen as such")
    func reach() throws {
        try inFolder { folder in
            #expect(Programs.isOpenToAll("\(folder)/program"))
            try File.makeDirectory("\(folder)/closed", mode: 0o700)
            #expect(!Programs.isOpenToAll("\(folder)/closed/program"))
        }
    }
}
