import Interfaces
import ServiceModel
import Syscalls

/// The tree of a box as ordinary files, for kernels that cannot mount it from image and objects.
///
/// Keeps true: a name in `checkouts` is a whole tree that is on the disk; everything in it belongs to
/// this process's user, who stands for 0:0 in a box. So a box with other owners is refused: only root
/// could make their files. Contents are copies, or share their blocks with the objects where the file
/// system can: a hard link would share mode and times, which differ from file to file.
struct Checkout {
    let store: ObjectStore

    /// Makes the checkout of a box, unless it is there.
    ///
    /// - Parameter isCancelled: asked between two files.
    func make(
        _ tree: FileTree, of id: ServiceID, _ isCancelled: () -> Bool
    ) throws(Fault) {
        if let foreign = tree.firstForeign { throw Self.refusal(foreign) }
        try store.withTurn(toMake: id) { () throws(Fault) in
            if !exists(id) { try make(tree, id, isCancelled) }
        }
    }

    private func make(
        _ tree: FileTree, _ id: ServiceID, _ isCancelled: () -> Bool
    ) throws(Fault) {
        let name = Hexadecimal.text(Random.bytes(16))
        let staging = store.staging
        do throws(Fault) {
            try wrap { () throws(Errno) in try File.makeDirectory(at: staging.descriptor, name) }
            try fill(staging.descriptor, name, tree.entries, tree.attributes, [], isCancelled)
            try wrap { () throws(Errno) in
                // The tree first: its name in `checkouts` says that all of it is there.
                try File.syncFileSystem(staging.descriptor)
                try File.rename(
                    at: staging.descriptor, name, to: store.checkouts.descriptor,
                    id.description, replace: .refused)
                try File.sync(store.checkouts.descriptor)
            }
        } catch {
            try? Self.remove(at: staging.descriptor, name)
            throw error
        }
        trust(id)
    }

    // MARK: Mending

    /// It was seen to be altered: a file beside it says so, also to another life of this daemon. Where
    /// there is no room for that, there is none to make it again.
    func distrust(_ id: ServiceID) {
        let checkouts = store.checkouts
        do throws(Errno) {
            _ = try File.open(at: checkouts.descriptor, id.alteredName, .writeOnly, .create)
            try File.sync(checkouts.descriptor)
        } catch {
            return
        }
        // Whoever removes it removes the mark after it: one that came later goes here.
        if !exists(id) { trust(id) }
    }

    func isDistrusted(_ id: ServiceID) -> Bool {
        (try? File.status(at: store.checkouts.descriptor, id.alteredName)) != nil
    }

    /// It was made anew, or is gone. A mark that stays has it made once more.
    func trust(_ id: ServiceID) {
        try? File.remove(at: store.checkouts.descriptor, id.alteredName)
    }

    /// Makes a checkout anew that was seen to be altered, unless instances may run from it.
    ///
    /// - Parameter isHeld: whether anybody has the box held, but who opens it now. Whoever opens it later
    ///   finds it distrusted and waits for this turn.
    func mend(
        _ tree: FileTree, of id: ServiceID, isHeld: () throws(Fault) -> Bool
    ) throws(Fault) {
        try store.withTurn(toMake: id) { () throws(Fault) in
            guard isDistrusted(id), try !isHeld() else { return }
            let doomed = Hexadecimal.text(Random.bytes(16))
            try wrap { () throws(Errno) in
                try File.rename(
                    at: store.checkouts.descriptor, id.description, to: store.staging.descriptor,
                    doomed)
            }
            // What stays is swept at the next start.
            try? Self.remove(at: store.staging.descriptor, doomed)
            try make(tree, id) { false }
        }
    }

    func exists(_ id: ServiceID) -> Bool {
        (try? File.status(at: store.checkouts.descriptor, id.description)) != nil
    }

    static func refusal(_ path: String) -> Fault {
        Fault(.unsupported, subject: "owner of \(path)", lines: ["0:0"])
    }

    // MARK: Filling

    private func fill(
        _ parent: borrowing Descriptor, _ name: String, _ entries: [TreeEntry],
        _ attributes: FileAttributes, _ extended: [ExtendedAttribute],
        _ isCancelled: () -> Bool
    ) throws(Fault) {
        let directory = try wrap { () throws(Errno) in try Directory.open(at: parent, name) }
        for entry in entries {
            guard !isCancelled() else { throw .cancelled }
            switch entry.content {
            case .directory(let below):
                try wrap { () throws(Errno) in try File.makeDirectory(at: directory, entry.name) }
                try fill(
                    directory, entry.name, below, entry.attributes, entry.extended, isCancelled)
            case .link:
                try wrap { () throws(Errno) in
                    try File.symlink(entry.text, at: directory, entry.name)
                }
            case .file(let digest, let bytes):
                try wrap { () throws(Errno) in
                    try file(directory, entry, digest, bytes)
                }
            }
            // After what is in it: filling a directory changes its time.
            try wrap { () throws(Errno) in
                try File.setTimes(
                    at: directory, entry.name, nanoseconds: entry.attributes.modifiedNanoseconds)
            }
        }
        try wrap { () throws(Errno) in
            for attribute in extended {
                try File.setAttribute(directory, attribute.name, attribute.value)
            }
            try File.setMode(directory, attributes.permissionsInside)
            try File.setTimes(
                at: parent, name, nanoseconds: attributes.modifiedNanoseconds)
        }
    }

    private func file(
        _ directory: borrowing Descriptor, _ entry: TreeEntry, _ digest: ContentDigest,
        _ bytes: UInt64
    ) throws(Errno) {
        let file = try File.open(
            at: directory, entry.name, .readWrite, [.create, .exclusive, .noFollow])
        if bytes > 0 {
            let object = try store.openObject(digest)
            do throws(Errno) {
                try File.clone(from: object, to: file)
            } catch {
                // Not on this file system (EOPNOTSUPP, EXDEV, EINVAL); a full disk says so below.
                try File.copySparse(from: object, to: file)
            }
        }
        for attribute in entry.extended {
            try File.setAttribute(file, attribute.name, attribute.value)
        }
        try File.setMode(file, entry.attributes.permissionsInside)
    }

    private func wrap<Value: ~Copyable>(
        _ body: () throws(Errno) -> Value
    ) throws(Fault) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw StoreFault.storing(error, "checkouts")
        }
    }

    // MARK: Removing

    /// Removes a checkout, whole or in part.
    static func remove(at parent: borrowing Descriptor, _ name: String) throws(Errno) {
        try open(at: parent, name)
        try Directory.removeAll(at: parent, name)
    }

    /// A directory that its owner may not write cannot be emptied: all are made so that they can.
    private static func open(at parent: borrowing Descriptor, _ name: String) throws(Errno) {
        guard try File.status(at: parent, name).kind == .directory else { return }
        let place = try File.open(at: parent, name, .path, [.directory, .noFollow])
        try File.setMode(place.procPath(), 0o700)
        let directory = try Directory.open(at: parent, name)
        for entry in try Directory.list(directory, max: .max)
        where entry.isText && (entry.kind ?? .directory) == .directory {
            try open(at: directory, entry.name)
        }
    }
}

extension ServiceID {
    /// The name of the mark that its checkout was seen to be altered.
    fileprivate var alteredName: String { "\(description).altered" }
}

extension FileTree {
    /// The path of the first entry that does not belong to 0:0; nil when all do.
    var firstForeign: String? {
        guard attributes.uid == 0, attributes.gid == 0 else { return "/" }
        return Self.firstForeign(entries, "")
    }

    private static func firstForeign(_ entries: [TreeEntry], _ path: String) -> String? {
        for entry in entries {
            let own = "\(path)/\(entry.name)"
            guard entry.attributes.uid == 0, entry.attributes.gid == 0 else { return own }
            if case .directory(let below) = entry.content,
                let found = firstForeign(below, own)
            {
                return found
            }
        }
        return nil
    }
}

extension TreeEntry {
    /// What a symbolic link says, as a process reads it.
    var text: String {
        if case .link(let target) = content { linkText ?? target } else { "" }
    }
}
