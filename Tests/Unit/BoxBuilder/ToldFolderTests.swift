// What celautctl tells of a folder, beside what GNU tar makes of it.

import Interfaces
import ServiceModel
import Syscalls
import Testing
import box_builder
import celautctl

@Suite("A folder told ahead")
struct ToldFolderTests {
    @Test(
        "is the tree of its archive, with everything that a folder can have",
        arguments: [false, true])
    func whole(keepsAttributes: Bool) throws {
        let folder = try TemporaryFolder()
        try folder.fill()
        var files = PackFiles()
        files.keepsAttributes = keepsAttributes
        let (told, read) = try folder.trees(files)
        #expect(told.isAlike(read))
        #expect(read.count == folder.count)
    }

    @Test(
        "is the tree of its archive, whatever is left out",
        arguments: [
            (nil, ["*.pyc"]), (nil, ["lib"]), (nil, ["/lib"]), (nil, ["a*"]), (nil, ["/src/*/b"]),
            (nil, ["src/*"]), (nil, ["/*"]), (nil, ["*"]), (nil, ["[ab]*", "?"]), (nil, ["c/d"]),
            (nil, ["src/"]), (nil, ["\\*.pyc"]), (nil, ["src/*.pyc", "/link"]), (nil, ["."]),
            (["src"], []), (["src/a", "lib/x.pyc"], []), (["src", "src/a"], ["*.pyc"]),
            (["link", "empty"], []), (["link/x.pyc"], []), (["./src"], ["a"]),
            (["src/"], ["src/a/b"]), (["src", "src"], []),
        ] as [([String]?, [String])])
    func chosen(include: [String]?, ignore: [String]) throws {
        let folder = try TemporaryFolder()
        try folder.fill()
        let (told, read) = try folder.trees(PackFiles(include: include, ignore: ignore))
        #expect(told.isAlike(read), "\(told) \(read)")
    }

    @Test("with something in it that no box has is not told")
    func special() throws {
        let folder = try TemporaryFolder()
        try folder.fill()
        try folder.run("mkfifo src/fifo")
        #expect(try folder.told(PackFiles()) == nil)
    }

    @Test("that is not there, or of which a part is not, is not told")
    func missing() throws {
        let folder = try TemporaryFolder()
        #expect(try folder.told(PackFiles(include: ["none"])) == nil)
    }
}

/// A folder of its own, removed at the end.
private final class TemporaryFolder {
    let path = "/tmp/celaut-told-\(Hexadecimal.text(Random.bytes(8)))"
    /// Entries that `fill` makes, the root not counted.
    let count = 18

    init() throws {
        try File.makeDirectory(path, mode: 0o755)
    }

    deinit {
        guard let parent = try? Directory.open("/tmp") else { return }
        try? Directory.removeAll(at: parent, String(path.dropFirst("/tmp/".count)))
    }

    func fill() throws {
        try run(
            """
            chmod 711 . && mkdir -m 1777 src empty && mkdir -p -m 700 src/a/b src/c/d lib
            echo one >src/a/b/one && echo two >src/a/two.pyc && : >lib/nothing
            ln src/a/b/one src/c/one && ln -s src/a/two.pyc top && ln top lib/top
            ln -s lib link && ln -s ../../x/./y src/c/away && echo x >lib/x.pyc
            chmod 4711 src/a/b/one && chmod 444 lib/nothing && head -c 70000 /dev/zero >src/c/d/big
            echo é >"src/é ü" && touch -d @7 lib
            """)
        do {
            try note("src/c/d/big", "user.two", [0, 1])
            try note("src/c/d/big", "user.one", [])
            try note("src/a", "user.dir", [7])
        } catch Errno.notSupported {
            // A file system without them: nothing to tell.
        }
    }

    private func note(_ name: String, _ attribute: String, _ value: [UInt8]) throws(Errno) {
        let file = try File.open("\(path)/\(name)", .readOnly)
        try File.setAttribute(file, attribute, value)
    }

    func run(_ script: String) throws {
        var plan = SpawnPlan(path: "/bin/sh", arguments: ["sh", "-ec", script])
        plan.environment = ["PATH=/usr/bin:/bin"]
        plan.directory = path
        #expect(try Process.wait(pid: Process.spawn(plan)) == .exited(0))
    }

    /// What is told.
    func told(_ files: PackFiles) throws -> FileTree? {
        let file = try Memfd.make(name: "told")
        let shared = SharedDescriptor(try file.duplicate())
        var telling = TreeTelling(path, files, into: shared)
        try? telling.tell()
        try File.seek(file, to: 0)
        return ToldTree.read(
            file, keepsOwners: files.keepsAttributes, isCancelled: { false })
    }

    /// What is told, and what tar makes.
    func trees(_ files: PackFiles) throws -> (told: FileTree, read: FileTree) {
        let archive = try Memfd.make(name: "archive")
        var plan = SpawnPlan(path: "/bin/tar", arguments: files.words(path))
        plan.environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        plan.give(archive, as: 1)
        plan.give(standardStream: 2, as: 2)
        #expect(try Process.wait(pid: Process.spawn(plan)) == .exited(0))
        try File.seek(archive, to: 0)
        let options = BoxSource.Options(kind: .tree, keepsOwners: files.keepsAttributes)
        let read = try BoxSource.read(
            archive, options, into: MemorySink(),
            open: { _ throws(Fault) in throw Fault(.notFound) }, progress: { _, _ in },
            isCancelled: { false })
        return (try #require(try told(files)), read)
    }
}
