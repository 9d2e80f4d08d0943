import Chassis
import Interfaces
import ServiceModel
import Synchronization
import Syscalls
import box_builder

/// A store and its index in a directory of their own, removed at the end.
final class StoreFixture {
    let path = "/tmp/celaut-boxes-\(Hexadecimal.text(Random.bytes(8)))"
    let state: StateDirectory
    let store: ObjectStore
    let index: BoxIndex

    /// - Parameter contents: bytes the contents may take; nil for what the disk has.
    init(contentBytesMax contents: Int? = nil) throws {
        state = try StateDirectory(state: path, daemon: "box-builder")
        let plan = StorePlan(name: "index", migrations: BoxIndex.migrate)
        index = BoxIndex(try Store.open(plan, in: state))
        if let contents {
            let context = try FileSystemContext("tmpfs")
            try context.set("size", String(contents))
            // Attached nowhere: it is gone with the last descriptor.
            store = try ObjectStore(in: try context.mount([]))
        } else {
            store = try ObjectStore(in: state.descriptor)
        }
    }

    deinit {
        guard let parent = try? Directory.open("/tmp") else { return }
        try? Directory.removeAll(at: parent, String(path.dropFirst("/tmp/".count)))
    }

    /// The same store as another process sees it.
    func reopened() throws -> ObjectStore {
        try ObjectStore(in: state.descriptor)
    }

    /// A file system of a given size needs the right to mount.
    static func canMount() -> Bool {
        do throws(Errno) {
            _ = try FileSystemContext("tmpfs").mount([])
            return true
        } catch {
            return false
        }
    }

    static func description(tag: String = "", entry: String = "start") -> String {
        """
        {"tag": [\(tag.isEmpty ? "" : "\"\(tag)\"")], "architecture": "linux/amd64",
         "init": {"entry_path": ["\(entry)"]},
         "resources": {"at_init": {"mem_limit": 67108864, "disk_space": 67108864},
                       "at_most": {"mem_limit": 67108864, "disk_space": 67108864}},
         "api": [{"port": 6379, "transport": "tcp"}]}
        """
    }

    @discardableResult
    func add(
        _ tree: Tar, tag: String = "", description: String = description(),
        isCancelled: () -> Bool = { false }
    ) throws(Fault) -> BoxSummary {
        let archive = try Self.sealed(tree.bytes)
        let text = try Self.sealed(Array(description.utf8))
        var request = ImportBoxRequest()
        request.tag = tag
        return try Importer(store: store, index: index).run(
            archive: archive, description: text, request,
            now: 1_800_000_000, progress: { _ in }, isCancelled: isCancelled)
    }

    private static func sealed(_ bytes: [UInt8]) throws(Fault) -> Descriptor {
        do throws(Errno) {
            return try Memfd.sealed(bytes)
        } catch {
            throw Fault(.internal, subject: "\(error)")
        }
    }

    func remove(_ text: String) throws(Fault) -> UInt64 {
        let (id, objects) = try index.remove(text)
        return store.abandon(
            id, objects, neededImage: index.has, needed: index.needed(among:))
    }

    /// What is wrong with it.
    func findings() throws -> [StoreFinding] {
        var verifier = try StoreVerifier(store, index, box: "")
        var findings: [StoreFinding] = []
        while !verifier.isOver { findings += try verifier.step() }
        return findings
    }

    /// What the form of a box takes among the contents.
    func formBytes(_ box: BoxSummary) throws -> UInt64 {
        try index.find(box.hex).0.form?.bytes ?? 0
    }

    /// The files of the store, by their paths.
    func files() throws -> Set<String> {
        var found: Set<String> = []
        for folder in ["images", "staging", "objects"] {
            let directory = try Directory.open(at: store.folder(folder).descriptor, ".")
            for entry in try Directory.list(directory) {
                guard entry.kind == .directory else {
                    found.insert("\(folder)/\(entry.name)")
                    continue
                }
                let inner = try Directory.open(at: directory, entry.name)
                for name in try Directory.list(inner) {
                    found.insert("\(folder)/\(entry.name)/\(name.name)")
                }
            }
        }
        return found
    }
}

extension Tar {
    /// A box's tree: a program and what else there is.
    static func box(_ more: String...) -> Tar {
        var tar = Tar().file("start", "#!/bin/sh\n", mode: 0o755)
        for (number, content) in more.enumerated() { tar = tar.file("file\(number)", content) }
        return tar
    }
}

extension BoxSummary {
    var hex: String { Hexadecimal.text(serviceIDBytes) }
}
