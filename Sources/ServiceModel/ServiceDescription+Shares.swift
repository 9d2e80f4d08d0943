/// "shared_filesystems": directories that an instance shares with the children it starts (role
/// "shared") or has from the parent that started it (role "guest").
extension DescriptionObject {
    /// - Parameter used: paths that the service needs to have: a shared directory begins empty.
    mutating func shares(
        used: [[String]]
    ) throws(DescriptionError) -> [SharedDirectory] {
        let key = "shared_filesystems"
        if case .null? = members.first(where: { $0.key == key })?.value { _ = take(key) }
        let elements = try list(key)
        guard elements.count <= DirectoryShare.countMax else {
            throw DescriptionError(
                .tooLarge, key: path(key), limit: UInt64(DirectoryShare.countMax),
                actual: UInt64(elements.count))
        }
        var shares: [SharedDirectory] = []
        for (value, path) in elements {
            var object = try DescriptionObject(value, path: path)
            shares.append(try object.share())
            try object.finish()
            guard SharedDirectory.conflict(shares) == nil else {
                throw DescriptionError(.duplicateKey, key: object.path("path"))
            }
            guard let path = shares.last?.path, !used.contains(where: { $0.starts(with: path) })
            else { throw DescriptionError(.badName, key: object.path("path")) }
        }
        return shares
    }

    private mutating func share() throws(DescriptionError) -> SharedDirectory {
        guard let place = take("path") else {
            throw DescriptionError(.missingKey, key: path("path"))
        }
        let names = try segments(place, path("path"))
        guard !names.isEmpty else { throw DescriptionError(.badName, key: path("path")) }
        guard let role = try text("role") else {
            throw DescriptionError(.missingKey, key: path("role"))
        }
        guard let role = DirectoryShare.Role(rawValue: role) else {
            throw DescriptionError(
                .unsupported, key: "\(path("role")) \(role)", accepted: ["shared", "guest"])
        }
        var share = DirectoryShare(role: role)
        if let text = try text("access") {
            guard let access = DirectoryShare.Access(rawValue: text) else {
                throw DescriptionError(
                    .unsupported, key: "\(path("access")) \(text)", accepted: ["ro", "rw"])
            }
            share.access = access
        }
        if let tag = try text("tag"), !tag.isEmpty {
            guard DirectoryShare.isTag(tag) else {
                throw DescriptionError(.badName, key: path("tag"))
            }
            share.tag = tag
        }
        return SharedDirectory(path: names, share: share)
    }
}
