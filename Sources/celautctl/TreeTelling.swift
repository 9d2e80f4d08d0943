import Interfaces
import ServiceModel
package import Syscalls

/// Tells what will be in a folder's archive while tar begins to make it
/// (Protocols/box_told.proto).
///
/// Keeps true: who is told has the end of it, or nothing; what tar would put in is told by the rules that
/// tar has. Where it is told wrong, the node finds out and takes longer. Names of hard links are told as
/// the files they are: a box has them as such.
package struct TreeTelling {
    // LIMIT: bytes that are written at once.
    private static let stepBytes = 65_536

    private let folder: String
    private let files: PackFiles
    private let pipe: SharedDescriptor
    private var entry = ProtoWriter()
    private var pending = ProtoWriter()

    package init(_ folder: String, _ files: PackFiles, into pipe: SharedDescriptor) {
        self.folder = folder
        self.files = files
        self.pipe = pipe
    }

    /// - Throws: where something cannot be read or told, and where nobody listens.
    package mutating func tell() throws(Errno) {
        let root = try Directory.open(folder)
        for name in files.paths where !files.ignores(name) {
            // Behind "usr/" tar writes no second slash.
            let path = name.utf8.reversed().drop { $0 == UInt8(ascii: "/") }
            try tell(String(decoding: path.reversed(), as: UTF8.self), at: root, name)
        }
        pending.varint(0)
        try File.writeAll(pipe.descriptor, pending.bytes)
    }

    private mutating func tell(
        _ path: String, at directory: borrowing Descriptor, _ name: String
    ) throws(Errno) {
        let status = try File.status(at: directory, name)
        switch status.kind {
        case .regular:
            try put(path, .file, status, attributes: try attributes(path))
        case .symlink:
            try put(path, .link, status, target: try File.readLink(at: directory, name))
        case .directory:
            try put(path, .directory, status, attributes: try attributes(path))
            let below = try Directory.open(at: directory, name)
            try Directory.forEach(below) { child throws(Errno) in
                guard let name = String(validating: child.nameBytes, as: UTF8.self) else {
                    throw .invalid
                }
                let path = "\(path)/\(name)"
                if !files.ignores(path) { try tell(path, at: below, name) }
                return true
            }
        // No box has it.
        case .fifo, .socket, .characterDevice, .blockDevice, .other: throw .invalid
        }
    }

    private func attributes(_ path: String) throws(Errno) -> [(name: [UInt8], value: [UInt8])] {
        try File.attributes("\(folder)/\(path)", in: ExtendedAttribute.space)
    }

    private mutating func put(
        _ path: String, _ kind: ToldKind, _ status: FileStatus, target: [UInt8] = [],
        attributes: [(name: [UInt8], value: [UInt8])] = []
    ) throws(Errno) {
        entry.removeAll()
        entry.text(1, path)
        entry.number(2, UInt64(kind.rawValue))
        entry.number(3, UInt64(status.permissions))
        if files.keepsAttributes {
            entry.number(4, UInt64(status.uid))
            entry.number(5, UInt64(status.gid))
        }
        if kind == .file { entry.number(6, status.sizeBytes) }
        entry.blob(7, target)
        for attribute in attributes {
            guard let name = String(validating: attribute.name, as: UTF8.self) else {
                throw .invalid
            }
            entry.pair(8, name, attribute.value)
        }
        pending.varint(UInt64(entry.bytes.count))
        pending.raw(entry.bytes)
        guard pending.bytes.count >= Self.stepBytes else { return }
        try File.writeAll(pipe.descriptor, pending.bytes)
        pending.removeAll()
    }
}
