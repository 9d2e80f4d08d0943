package import Interfaces
import ServiceModel

/// A name in an archive as the names of the tree it leads through.
///
/// Keeps true: no name is empty, ".", "..", has a NUL or a slash, or is longer than the kernel takes;
/// the path is relative and not deeper than the bound. Refuses anything else by what is wrong with
/// it. "./" before a name and "/" behind it mean nothing; the root is the path without names.
package struct EntryPath: Equatable, Sendable {
    // LIMIT: NAME_MAX of Linux: a longer name cannot be shown to the service.
    package static let nameBytesMax = 255
    // LIMIT: PATH_MAX of Linux without its NUL: a longer path cannot be opened at once.
    package static let pathBytesMax = 4_095
    package static let depthMax = FileTree.depthMax

    package let names: [String]

    /// The last; nil for the root.
    var name: ExactText? { names.last.map { ExactText($0) } }

    /// Slashes between, none before; "." for the root.
    package var text: String { names.isEmpty ? "." : names.joined(separator: "/") }

    /// The names of an absolute path of the tree. By bytes: a slash and a mark that combines with it are
    /// one Character.
    static func names(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    }

    private init(names: [String]) {
        self.names = names
    }

    /// The directory it is in; of the root, the root.
    var parent: EntryPath { EntryPath(names: names.dropLast()) }

    /// A name in it that was part of a name before, so that it needs no check.
    func appending(_ name: String) -> EntryPath { EntryPath(names: names + [name]) }

    package init(_ bytes: [UInt8]) throws(Fault) {
        guard !bytes.contains(0) else { throw Self.refused(.badName, bytes) }
        guard bytes.first != UInt8(ascii: "/") else { throw Self.refused(.pathAbsolute, bytes) }
        guard bytes.count <= Self.pathBytesMax + 2 else {
            throw Self.refused(
                .nameTooLong, bytes, limit: Self.pathBytesMax, actual: bytes.count)
        }
        var names: [String] = []
        for part in bytes.split(separator: UInt8(ascii: "/")) where !part.elementsEqual([46]) {
            guard !part.elementsEqual([46, 46]) else { throw Self.refused(.pathEscapes, bytes) }
            guard part.count <= Self.nameBytesMax else {
                throw Self.refused(
                    .nameTooLong, bytes, limit: Self.nameBytesMax, actual: part.count)
            }
            guard let name = String(validating: part, as: UTF8.self) else {
                throw Self.refused(.badName, bytes)
            }
            names.append(name)
        }
        guard !bytes.isEmpty else { throw Self.refused(.badName, bytes) }
        guard names.count <= Self.depthMax else {
            throw Self.refused(.tooDeep, bytes, limit: Self.depthMax, actual: names.count)
        }
        self.names = names
    }

    /// What a link at this path resolves to, as an absolute path in the tree. ".." at the root
    /// stays there, as it does for a process whose root this is.
    package func resolving(_ target: [UInt8]) throws(Fault) -> String {
        guard !target.isEmpty, !target.contains(0),
            let text = String(validating: target, as: UTF8.self)
        else { throw .invalid(.badName, subject: self.text) }
        guard target.count <= Self.pathBytesMax else {
            throw .invalid(
                .nameTooLong, subject: self.text, limit: UInt64(Self.pathBytesMax),
                actual: UInt64(target.count))
        }
        let path = FileTree.resolve(text, in: names.dropLast())
        guard path.utf8.count <= Self.pathBytesMax else {
            throw .invalid(
                .nameTooLong, subject: self.text, limit: UInt64(Self.pathBytesMax),
                actual: UInt64(path.utf8.count))
        }
        return path
    }

    /// A path as it was sent, for people: cut, so that a fault about it can travel.
    package static func shown(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix(512), as: UTF8.self)
    }

    private static func refused(
        _ reason: Fault.Reason, _ bytes: [UInt8], limit: Int = 0, actual: Int = 0
    ) -> Fault {
        .invalid(reason, subject: shown(bytes), limit: UInt64(limit), actual: UInt64(actual))
    }
}
