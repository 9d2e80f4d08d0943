// What pack_config.json and the lists of Debian are read as, and refused for.

import Testing
import celautctl

@Suite("pack_config.json")
struct PackConfigTests {
    private func read(_ text: String) throws(Complaint) -> PackConfig {
        try PackConfig(Array(text.utf8), "pack_config.json")
    }

    @Test("is what it says")
    func read() throws {
        let config = try read(
            """
            {"include": ["src", "./start.sh", "#1"], "ignore": ["*.pyc", "tests/", "", "# why", "/etc/x"],
             "dependencies": {"B": "b", "A": "a"}, "dependencies_env": true,
             "service_dependencies_directory": "/__services__/",
             "metadata_dependencies_directory": "m", "blocks_directory": "b", "zip": false,
             "ignore_loadable_protobuf": true, "debian": ["redis-server", "libc6=2.36-9+deb12u9"]}
            """)
        #expect(config.include == ["src", "start.sh", "#1"])
        #expect(config.ignore == ["*.pyc", "tests", "/etc/x"])
        #expect(config.dependencies.map(\.name) == ["A", "B"])
        #expect(config.writesDependencies)
        #expect(config.dependenciesFolder == "__services__")
        #expect(config.debian == ["redis-server", "libc6=2.36-9+deb12u9"])
        #expect(
            try read("{\"dependencies\": [\"x\"]}").dependencies.map(\.source) == ["x"])
    }

    @Test(
        "is refused by its key",
        arguments: [
            ("{\"includes\": []}", "includes"), ("{\"zip\": true}", "zip"),
            ("{\"zip\": 1}", "zip"), ("{\"include\": \"src\"}", "include"),
            ("{\"include\": [\"../x\"]}", "include"), ("{\"include\": [\"/etc\"]}", "include"),
            ("{\"ignore\": [\"!x\"]}", "ignore"), ("{\"ignore\": [1]}", "ignore"),
            ("{\"dependencies\": {\"A B\": \"x\"}}", "dependencies.A B"),
            ("{\"dependencies\": [\"x\"], \"dependencies_env\": true}", "dependencies_env"),
            ("{\"service_dependencies_directory\": \"../x\"}", "service_dependencies_directory"),
            ("{\"debian\": []}", "debian"), ("{\"debian\": [\"-y\"]}", "debian"),
            ("{\"debian\": [\"a b\"]}", "debian"), ("{\"debian\": [\"hello-\"]}", "debian"),
            ("{\"debian\": [\".hello\"]}", "debian"), ("{\"debian\": [\"redis; rm\"]}", "debian"),
            ("{", "pack_config.json"), ("[]", "pack_config.json"),
            ("{\"zip\": false, \"zip\": false}", "pack_config.json"),
        ])
    func refused(text: String, key: String) {
        let complaint = #expect(throws: Complaint.self) { try read(text) }
        #expect(complaint?.text.contains(key) == true)
        #expect(complaint?.code == .invalidInput)
    }

    @Test("says where it cannot be read, by line and column")
    func place() {
        let complaint = #expect(throws: Complaint.self) { try read("{\"zip\": false,\n  zip}") }
        #expect(complaint?.text.contains("line 2, column 3") == true)
    }
}

@Suite("A list of Debian packages")
struct DebianPackageTests {
    @Test(
        "keeps its downloads where the user's caches are, and never at a relative place",
        arguments: [
            ("/her/own", nil, "/her/own/.cache"), ("/her/own", "/c", "/c"), (nil, "/c", "/c"),
            ("/her/own", "", "/her/own/.cache"), ("/her/own", "c", "/her/own/.cache"),
            ("", nil, "/var/tmp/celaut-7"), (nil, nil, "/var/tmp/celaut-7"),
        ] as [(String?, String?, String)])
    func cache(home: String?, cacheHome: String?, base: String) {
        let found = PackDebian.cache(of: 7, home: home, cacheHome: cacheHome)
        #expect(found == "\(base)/celaut/debian")
    }

    private let packages = DebianPackage.read(
        """
        Package: app
        Version: 1
        Architecture: amd64
        Depends: liba (>= 2), adduser, sh | bash, virtual
        Pre-Depends: init-system-helpers (>= 1.54~)
        SHA256: 00

        Package: liba
        Version: 2
        Depends: base:any
        Description: a library
         with a Depends: nothing

        Package: adduser
        Version: 3
        Depends: passwd

        Package: bash
        Version: 5
        Essential: yes

        Package: base
        Version: 6

        Package: maker
        Version: 7
        Provides: virtual (= 1), other

        Package: passwd
        Version: 8

        """)

    private func names(_ asked: [String], essential: Bool = false) -> [String] {
        DebianPackage.needed(by: asked, among: packages, withEssential: essential).map(\.name)
    }

    @Test("is what the packages need in a box")
    func needed() {
        #expect(names(["app"]) == ["app", "base", "liba", "maker"])
        #expect(names(["base"]) == ["base"])
    }

    @Test("may name what a package provides")
    func provided() {
        #expect(names(["virtual"]) == ["maker"])
        #expect(packages.contains { $0.name == "maker" && $0.isCalled("virtual") })
        #expect(!packages.contains { $0.name == "app" && $0.isCalled("virtual") })
    }

    @Test(
        "is refused in a sentence that names what apt cannot choose",
        arguments: [
            (["E: Unable to locate package nope"], "\"nope\""),
            (
                [
                    "Package awk is a virtual package provided by:", "  mawk 1.3",
                    "E: Package 'awk' has no installation candidate",
                ], "\"awk\" is no package"
            ),
            (["E: Version '9.9' for 'hello' was not found"], "hello of the version 9.9"),
            (["E: Something else"], "as it was"),
        ])
    func explained(lines: [String], told: String) {
        let complaint = DebianPackage.explained(
            Complaint("as it was", lines: lines, code: .invalidInput))
        #expect(complaint.text.contains(told))
        #expect(complaint.lines == lines)
    }

    @Test("has what only scripts use where that is asked for")
    func asked() {
        #expect(names(["app", "bash"]) == ["app", "base", "bash", "liba", "maker"])
        #expect(names(["adduser"]) == ["adduser"])
        #expect(names(["app"], essential: true).count == packages.count)
    }
}
