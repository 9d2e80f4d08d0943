import Interfaces
import ServiceModel
import Syscalls

/// A checkout compared with its box, name by name and byte by byte with the objects.
struct CheckoutCheck {
    let store: ObjectStore
    let id: ServiceID
    private(set) var findings: [StoreFinding] = []
    private(set) var bytes: UInt64 = 0
    /// Whom all of it belongs to.
    private var owner: (uid: UInt32, gid: UInt32)?

    init(store: ObjectStore, id: ServiceID) {
        self.store = store
        self.id = id
    }

    mutating func run(_ tree: FileTree) {
        do throws(Errno) {
            let directory = try Directory.open(at: store.checkouts.descriptor, id.description)
            let above = try File.status(store.checkouts.descriptor)
            owner = (above.uid, above.gid)
            if try !isAlike(try File.status(directory), tree.attributes, .directory) {
                note(.checkoutAltered, "")
            }
            try compare(directory, tree.entries, "")
        } catch {
            note(.unreadable, "")
        }
    }

    private mutating func note(
        _ kind: FindingKind, _ path: String, offset: UInt64 = 0, bytes: UInt64 = 0
    ) {
        var finding = StoreFinding(kind, "checkouts/\(id)\(path)")
        finding.offset = offset
        finding.bytes = bytes
        finding.places = [FindingPlace(id, path)]
        finding.boxes = 1
        findings.append(finding)
    }

    private func isAlike(
        _ status: FileStatus, _ attributes: FileAttributes, _ kind: FileStatus.Kind
    ) throws(Errno) -> Bool {
        status.kind == kind
            && owner.map { $0 == (status.uid, status.gid) } ?? true
            // A link's mode cannot be set, and means nothing.
            && (kind == .symlink || status.permissions == attributes.permissionsInside)
            && status.modifiedNanoseconds == Int64(attributes.modifiedNanoseconds)
    }

    private mutating func compare(
        _ directory: borrowing Descriptor, _ entries: [TreeEntry], _ path: String
    ) throws(Errno) {
        let names = Set(entries.map(\.name))
        for entry in try Directory.list(directory, max: .max)
        where !entry.isText || !names.contains(entry.name) {
            note(.checkoutExtra, "\(path)/\(entry.name)")
        }
        for entry in entries {
            let own = "\(path)/\(entry.name)"
            do throws(Errno) {
                try compare(directory, entry, own)
            } catch {
                note(error == .noEntry ? .checkoutMissing : .unreadable, own)
            }
        }
    }

    private mutating func compare(
        _ directory: borrowing Descriptor, _ entry: TreeEntry, _ path: String
    ) throws(Errno) {
        let status = try Readable.inside(directory) { () throws(Errno) in
            try File.status(at: directory, entry.name)
        }
        switch entry.content {
        case .directory(let below):
            let isAlike = try isAlike(status, entry.attributes, .directory)
            if !isAlike { note(.checkoutAltered, path) }
            guard status.kind == .directory else { return }
            let inner = try Readable.open(directory, entry.name, status, .directory)
            if isAlike, try !hasAttributes(of: entry, inner) { note(.checkoutAltered, path) }
            try compare(inner, below, path)
        case .link:
            let isAlike = try isAlike(status, entry.attributes, .symlink)
            guard isAlike,
                try Readable.link(directory, entry.name) == Array(entry.text.utf8)
            else { return note(.checkoutAltered, path) }
        case .file(let digest, let length):
            let isAlike = try isAlike(status, entry.attributes, .regular)
            guard isAlike, status.sizeBytes == length else { return note(.checkoutAltered, path) }
            let file = try Readable.open(directory, entry.name, status, [])
            guard try hasAttributes(of: entry, file) else { return note(.checkoutAltered, path) }
            if length == 0 { return }
            // An object that is missing or altered is told by itself.
            guard let object = try? store.openObject(digest) else { return }
            if let range = try difference(file, object) {
                note(
                    .checkoutAltered, path, offset: range.lowerBound,
                    bytes: range.upperBound - range.lowerBound)
            }
        }
    }

    /// Those of the entry and no others. What this machine gives every file, labels and access lists, is
    /// not looked at.
    private func hasAttributes(
        of entry: TreeEntry, _ file: borrowing Descriptor
    ) throws(Errno) -> Bool {
        let names = try File.attributeNames(file).filter {
            $0.hasPrefix("user.") || $0 == "security.capability"
        }
        guard Set(names) == Set(entry.extended.map(\.name)) else { return false }
        for attribute in entry.extended
        where try File.attribute(file, attribute.name) != attribute.value { return false }
        return true
    }

    /// From the first byte that differs to the last.
    private mutating func difference(
        _ file: borrowing Descriptor, _ object: borrowing Descriptor
    ) throws(Errno) -> Range<UInt64>? {
        var mine = [UInt8](repeating: 0, count: StoreVerifier.bufferBytes)
        var theirs = mine
        var offset: UInt64 = 0
        var range: Range<UInt64>?
        while true {
            let count = try File.read(file, into: &mine, at: offset)
            if count == 0 { return range }
            let other = try File.read(object, into: &theirs, at: offset)
            bytes += UInt64(count)
            let common = min(count, other)
            if common == 0 { return range }
            if mine[..<common] != theirs[..<common] {
                for index in 0..<common where mine[index] != theirs[index] {
                    let place = offset + UInt64(index)
                    range = (range?.lowerBound ?? place)..<(place + 1)
                }
            }
            offset += UInt64(common)
        }
    }
}

/// Files whose owner may not read them, and directories whose owner may not search them, as modes of a
/// box can be.
private enum Readable {
    /// Does something in a directory.
    static func inside<Value: ~Copyable>(
        _ directory: borrowing Descriptor, _ body: () throws(Errno) -> Value
    ) throws(Errno) -> Value {
        do throws(Errno) {
            return try body()
        } catch .access {
            // As below.
            let mode = try File.status(directory).permissions
            try File.setMode(directory, mode | 0o500)
            defer { try? File.setMode(directory, mode) }
            return try body()
        }
    }

    static func link(
        _ directory: borrowing Descriptor, _ name: String
    ) throws(Errno) -> [UInt8] {
        try inside(directory) { () throws(Errno) in try File.readLink(at: directory, name) }
    }

    static func open(
        _ directory: borrowing Descriptor, _ name: String, _ status: FileStatus,
        _ options: File.Options
    ) throws(Errno) -> Descriptor {
        try inside(directory) { () throws(Errno) in
            try openInside(directory, name, status, options)
        }
    }

    private static func openInside(
        _ directory: borrowing Descriptor, _ name: String, _ status: FileStatus,
        _ options: File.Options
    ) throws(Errno) -> Descriptor {
        do throws(Errno) {
            return try File.open(at: directory, name, .readOnly, options.union(.noFollow))
        } catch .access {
            // For the length of one call the owner may; nobody else gains anything by it.
            let place = try File.open(at: directory, name, .path, options.union(.noFollow))
            let path = place.procPath()
            try File.setMode(path, status.permissions | 0o500)
            defer { try? File.setMode(path, status.permissions) }
            return try File.open(path, .readOnly, options)
        }
    }
}
