import Interfaces
import ServiceModel

/// Puts entries into a tree by their headers, those that were read and those that were told.
///
/// Keeps true: equal headers give equal trees, wherever the headers come from.
struct TarPlacement {
    // LIMIT: the largest owner that is kept: an instance has 65,536 users.
    private static let ownerMax: Int64 = 65_535

    let builder: TreeBuilder
    /// Otherwise all belongs to user and group 0.
    let keepsOwners: Bool
    /// Hears what is not kept.
    let log: NormalisationLog?

    /// - Parameters:
    ///   - content: asked for a file, when all else of it is known to be right.
    ///   - again: hears of a second name for a content.
    func add(
        _ header: TarHeader, at path: EntryPath,
        content: () throws(Fault) -> (digest: ContentDigest, bytes: UInt64),
        again: (ContentDigest, UInt64) -> Void = { _, _ in }
    ) throws(Fault) {
        let attributes = try attributes(of: header, path)
        let extended = extended(of: header)
        switch header.kind {
        case .directory:
            try builder.addDirectory(path, attributes, extended: extended)
        case .link(let target):
            try builder.addLink(path, target: target, attributes)
        case .hardLink(let target):
            if let content = try builder.addHardLink(path, to: target) {
                again(content.digest, content.bytes)
            }
            log?.record(.hardLink, path, had: EntryPath.shown(target))
        case .special:
            throw .invalid(.specialFile, subject: path.text)
        case .file:
            try builder.checkFile(path)
            let (digest, bytes) = try content()
            try builder.addFile(
                path, attributes, extended: extended, digest: digest, bytes: bytes)
        }
    }

    /// What is kept of an entry's attributes; the rest is told.
    private func attributes(
        of header: TarHeader, _ path: EntryPath
    ) throws(Fault) -> FileAttributes {
        let type: UInt32
        var permissions = header.permissions & 0o1777
        switch header.kind {
        case .directory: type = FileAttributes.typeDirectory
        case .link:
            type = FileAttributes.typeLink
            permissions = 0o777
        case .file, .hardLink, .special: type = FileAttributes.typeRegular
        }
        var attributes = FileAttributes(mode: type | permissions)
        if keepsOwners {
            for owner in [header.uid, header.gid] where !(0...Self.ownerMax).contains(owner) {
                throw .invalid(
                    .outOfRange, subject: path.text, limit: UInt64(Self.ownerMax),
                    actual: UInt64(clamping: owner))
            }
            attributes.uid = UInt32(header.uid)
            attributes.gid = UInt32(header.gid)
        }
        tell(header, path)
        return attributes
    }

    /// The attributes that are kept: those of `user.`, where the kernel has them.
    private func extended(of header: TarHeader) -> [ExtendedAttribute] {
        guard header.hasUserAttributes else { return [] }
        return header.userAttributes.compactMap { name, value in
            guard let name = String(validating: name, as: UTF8.self),
                ExtendedAttribute.isKept(name)
            else { return nil }
            return ExtendedAttribute(name: name, value: value)
        }
    }

    private func tell(_ header: TarHeader, _ path: EntryPath) {
        // A hard link has the attributes of what it names, which were told there.
        guard let log, !header.isHardLink else { return }
        if !keepsOwners, header.uid != 0 || header.gid != 0 {
            log.record(.owner, path, had: "\(header.uid):\(header.gid)")
        }
        if header.hasTime { log.record(.time, path, had: "") }
        if header.permissions & 0o6000 != 0 {
            log.record(.setID, path, had: String(header.permissions, radix: 8))
        }
        for name in header.otherAttributes { log.record(.attribute, path, had: name) }
        let kept = extended(of: header)
        for (name, _) in header.userAttributes
        where !kept.contains(where: { $0.name.utf8.elementsEqual(name) }) {
            log.record(.attribute, path, had: EntryPath.shown(name))
        }
    }
}
