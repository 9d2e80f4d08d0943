/// The shared directories of a service as bytes: its filesystem with nothing else in it.
///
///     Service{container=2{filesystem=2{branch=1{name=1, filesystem=4, xattrs=5}}}}
///
/// Put behind an encoded service they are part of it, as protobuf merges messages. Who starts a
/// service needs them, and not the other branches.
extension SharedDirectory {
    package static func bytes(_ all: [SharedDirectory]) -> [UInt8] {
        guard !all.isEmpty else { return [] }
        var container = ProtoWriter()
        container.always(
            Container.filesystemField, blob: filesystem(all.map { ($0.path[...], $0.share) }))
        var service = ProtoWriter()
        service.always(Service.containerField, blob: container.bytes)
        return service.bytes
    }

    private static func filesystem(
        _ below: [(path: ArraySlice<String>, share: DirectoryShare)]
    ) -> [UInt8] {
        var writer = ProtoWriter()
        let names = Set(below.compactMap(\.path.first))
        for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            let own = below.filter { $0.path.first == name }
            var branch = ProtoWriter()
            branch.always(1, text: name)
            branch.always(
                4,
                blob: filesystem(
                    own.filter { $0.path.count > 1 }.map { ($0.path.dropFirst(), $0.share) }))
            if let share = own.first(where: { $0.path.count == 1 })?.share {
                for (key, value) in share.pairs.sorted(by: { $0.key < $1.key }) {
                    branch.pair(5, key, value)
                }
            }
            writer.always(1, blob: branch.bytes)
        }
        return writer.bytes
    }

    // LIMIT: names on the way to a directory, as of any tree.
    private static let depthMax = FileTree.depthMax

    /// What `bytes` says behind an encoded service, or in one.
    package static func all(in service: [UInt8]) throws(ProtoError) -> [SharedDirectory] {
        var found: [SharedDirectory] = []
        try forEachField(service[...], "Service") { field throws(ProtoError) in
            guard field.number == Service.containerField else { return }
            try forEachField(field.slice(), "Container") { field throws(ProtoError) in
                guard field.number == Container.filesystemField else { return }
                try collect(field.slice(), [], into: &found)
            }
        }
        return found
    }

    private static func forEachField(
        _ bytes: ArraySlice<UInt8>, _ owner: String,
        _ body: (inout ProtoField) throws(ProtoError) -> Void
    ) throws(ProtoError) {
        var rest = bytes
        while !rest.isEmpty {
            var field = try ProtoField(taking: &rest, of: owner)
            try body(&field)
        }
    }

    private static func collect(
        _ filesystem: ArraySlice<UInt8>, _ path: [String], into found: inout [SharedDirectory]
    ) throws(ProtoError) {
        guard path.count < depthMax, found.count < DirectoryShare.countMax else {
            throw .malformed("Filesystem")
        }
        try forEachField(filesystem, "Filesystem") { field throws(ProtoError) in
            guard field.number == 1 else { return }
            var name = ""
            var below: ArraySlice<UInt8> = []
            var attributes = ShareAttributes()
            try forEachField(field.slice(), "ItemBranch") { field throws(ProtoError) in
                switch field.number {
                case 1: name = try field.text()
                case 4: below = try field.slice()
                case 5:
                    let (key, value) = try field.entry()
                    _ = attributes.take(key, value)
                default: break
                }
            }
            guard TreeEntry.isName(name) else { throw .malformed("ItemBranch") }
            let share: DirectoryShare?
            do throws(ShareAttributes.Contradiction) {
                share = try attributes.share()
            } catch {
                throw .malformed("ItemBranch")
            }
            if let share { found.append(SharedDirectory(path: path + [name], share: share)) }
            try collect(below, path + [name], into: &found)
        }
    }
}
