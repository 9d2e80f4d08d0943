package import Interfaces
package import ServiceModel
import SharedCrypto
package import Syscalls

/// Makes a box of an archive and a description, on a worker thread, from the first byte to the
/// index.
///
/// Keeps true: the index has a box only when its contents and form are on the disk; an import that
/// fails or is cancelled leaves nothing. Refuses trees and descriptions by what is wrong in them.
package struct Importer: Sendable {
    let store: ObjectStore
    let index: BoxIndex

    private let wait: PeerWait

    package init(store: ObjectStore, index: BoxIndex, wait: PeerWait = PeerWait()) {
        self.store = store
        self.index = index
        self.wait = wait
    }

    // LIMIT: PATH_MAX of Linux without its NUL: the program is started by this path.
    private static let entrypointBytesMax = 4_095

    /// - Parameters:
    ///   - told: where what will be in the archive is told; nil where it is not. With it the
    ///     archive is whole only with the end word behind it.
    ///   - request: its tag, beside those in the description, may be empty.
    ///   - now: seconds since 1970.
    ///   - log: hears what of the archive is not kept.
    package func run(
        archive: borrowing Descriptor, description: borrowing Descriptor,
        told: SharedDescriptor? = nil, _ request: ImportBoxRequest, now: UInt64,
        log: NormalisationLog? = nil, progress: (ImportProgress) -> Void,
        isCancelled: () -> Bool
    ) throws(Fault) -> BoxSummary {
        var described = try read(description, isCancelled)
        if !request.tag.isEmpty { described.tags.append(request.tag) }
        try BoxIndex.check(described.reputationProofs)
        let options = BoxSource.Options(
            kind: request.source, image: request.image, keepsOwners: request.keepOwners,
            architecture: described.service.architecture, isSealed: told != nil, wait: wait)
        let contents = ImportedContents(store, isQueued: true)
        if let told {
            contents.hashAhead(described, told: told, keepsOwners: request.keepOwners)
        }
        var summary: BoxSummary?
        var failure: Fault?
        var kept: Set<ContentDigest> = []
        do throws(Fault) {
            var tree = try BoxSource.read(
                archive, options, into: contents,
                open: { digest throws(Fault) in
                    try contents.drain()
                    return try open(digest)
                }, log: log,
                progress: { entries, bytes in
                    var step = ImportProgress()
                    step.phase = .reading
                    step.entries = entries
                    step.bytes = bytes
                    progress(step)
                }, isCancelled: isCancelled)
            tree.forEachFile { digest, _ in kept.insert(digest) }
            try Self.apply(described.terms, to: &tree)
            let made = try box(described, tree, contents, now, &kept, progress, isCancelled)
            if let id = ServiceID(made.serviceIDBytes) {
                try index.addProofs(described.reputationProofs, to: id)
            }
            summary = made
        } catch {
            failure = error
        }
        // An archive can have a name twice: the first content is in no tree then.
        release(contents, keeping: failure == nil ? kept : [])
        if let failure { throw failure }
        guard let summary else { throw Fault(.internal, subject: "import") }
        return summary
    }

    /// Ends the reliance on the contents of an import.
    func release(_ contents: ImportedContents, keeping kept: Set<ContentDigest>) {
        contents.end()
        store.release(
            contents.pinned, doubtful: contents.made.subtracting(kept),
            needed: index.needed(among:))
        guard let relied = contents.ahead?.relied else { return }
        store.release(
            relied.pinned, doubtful: relied.made.subtracting(kept), needed: index.needed(among:))
    }

    private func box(
        _ described: ServiceDescription, _ tree: FileTree, _ contents: ImportedContents,
        _ now: UInt64, _ kept: inout Set<ContentDigest>,
        _ progress: (ImportProgress) -> Void, _ isCancelled: () -> Bool
    ) throws(Fault) -> BoxSummary {
        try Self.checkEntrypoint(described.service.container.initial, in: tree)
        var step = ImportProgress()
        step.entries = UInt64(tree.count)
        step.bytesTotal = tree.contentBytes
        try contents.drain()
        let isStored = contents.made.isEmpty
        let fingerprint = BoxFingerprint.of(described.service, tree)
        if isStored, let known = try index.box(knownBy: fingerprint), store.hasForm(known),
            let named = try index.name(known.id, described.tags)
        {
            return named
        }
        // Hashing takes one core, and hardly any of the disk.
        contents.flushMeanwhile()
        let (identity, form) = try identify(
            described.service, tree, contents, step, progress, isCancelled)
        try contents.drain()
        kept.insert(form.digest)
        step.phase = .writing
        step.bytes = 0
        step.bytesTotal = 0
        progress(step)
        guard let id = ServiceID(identity.id) else { throw Fault(.internal, subject: "id") }
        var record = BoxRecord(
            id: id, tags: described.tags, service: described.service, tree: tree,
            canonicalBytes: identity.bytes, importedAt: now)
        record.form = form
        record.fingerprint = fingerprint
        return try keep(record, tree, contents, isStored: isStored, isCancelled)
    }

    /// Puts a box whose contents and form are stored into the index, and its checkout where it is to
    /// have one into the store.
    ///
    /// - Parameter isStored: the store had every content before.
    func keep(
        _ record: BoxRecord, _ tree: FileTree, _ contents: ImportedContents, isStored: Bool,
        _ isCancelled: () -> Bool
    ) throws(Fault) -> BoxSummary {
        // From here on a removal of an equal box leaves the checkout.
        store.pin(record.id)
        do throws(Fault) {
            let summary = try add(record, tree, contents, isStored: isStored, isCancelled)
            store.release(record.id, failed: false, needed: index.has)
            return summary
        } catch {
            store.release(record.id, failed: true, needed: index.has)
            throw error
        }
    }

    private func add(
        _ record: BoxRecord, _ tree: FileTree, _ contents: ImportedContents, isStored: Bool,
        _ isCancelled: () -> Bool
    ) throws(Fault) -> BoxSummary {
        let isKnown = try index.has(record.id)
        do throws(Errno) {
            // Others may have stored the contents a moment ago, and not synced yet.
            if !isKnown || !isStored { try contents.settle() }
        } catch {
            throw StoreFault.storing(error, "objects")
        }
        // Where owners are kept that no checkout can have, opening the box is refused, not keeping it.
        if store.roots == .checkout, tree.firstForeign == nil {
            try Checkout(store: store).make(tree, of: record.id, isCancelled)
        }
        guard !isCancelled() else { throw .cancelled }
        var objects: [ContentDigest: UInt64] = [:]
        tree.forEachFile { digest, bytes in
            if bytes > 0 { objects[digest] = bytes }
        }
        if let form = record.form { objects[form.digest] = form.bytes }
        let (stored, alreadyPresent) = try index.add(record, objects: objects)
        var summary = stored.summary
        summary.alreadyPresent = alreadyPresent
        return summary
    }

    // MARK: Steps

    private static func apply(_ terms: TreeTerms, to tree: inout FileTree) throws(Fault) {
        if let missing = terms.apply(to: &tree) {
            throw .invalid(.fileMissing, subject: "shared_filesystems \(missing.text)")
        }
    }

    private func open(_ digest: ContentDigest) throws(Fault) -> Descriptor {
        do throws(Errno) {
            return try store.openObject(digest)
        } catch {
            throw StoreFault.storing(error, digest.hex)
        }
    }

    private func read(
        _ descriptor: borrowing Descriptor, _ isCancelled: () -> Bool
    ) throws(Fault) -> ServiceDescription {
        let bytesMax = ServiceDescription.bytesMax
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            try wait.reading(descriptor, "description", isCancelled)
            do throws(Errno) {
                let count = try File.read(descriptor, into: &buffer)
                wait.moved(count)
                if count == 0 || text.count > bytesMax { break }
                text += buffer[..<count]
            } catch {
                throw .invalid(.badDescriptor, subject: "description: \(error.name)")
            }
        }
        do throws(DescriptionError) {
            return try ServiceDescription.read(text)
        } catch {
            throw StoreFault.description(error)
        }
    }

    private func identify(
        _ service: Service, _ tree: FileTree, _ contents: ImportedContents,
        _ start: ImportProgress, _ progress: (ImportProgress) -> Void, _ isCancelled: () -> Bool
    ) throws(Fault) -> (CanonicalForm.Identity, StoredForm) {
        var step = start
        step.phase = .hashing
        let ahead = try contents.ahead?.finish(tree) { bytes throws(Fault) in
            guard !isCancelled() else { throw .cancelled }
            step.bytes = bytes
            progress(step)
        }
        if let ahead { return ahead }
        step.bytes = 0
        return try StoredForm.identify(service, tree, in: store, into: contents) {
            count throws(Fault) in
            guard !isCancelled() else { throw .cancelled }
            step.bytes += UInt64(count)
            progress(step)
        }
    }

    /// The program must be a file of the tree that may be executed, links followed as inside.
    package static func checkEntrypoint(
        _ entrypoint: EntryPoint, in tree: FileTree
    ) throws(Fault) {
        let path = entrypoint.path
        guard path.utf8.count <= entrypointBytesMax else {
            throw .invalid(
                .nameTooLong, subject: "init.entry_path", limit: UInt64(entrypointBytesMax),
                actual: UInt64(path.utf8.count))
        }
        guard let entry = tree.followed(path) else {
            throw .invalid(.fileMissing, subject: path)
        }
        guard case .file = entry.content, entry.attributes.permissions & 0o111 != 0 else {
            throw .invalid(.notExecutable, subject: path)
        }
    }
}

extension FileTree {
    // LIMIT: as the kernel's MAXSYMLINKS; a loop of links meets it.
    private static let linksMax = 40

    /// The entry at a path, links followed as for a process whose root this is; nil where there is
    /// none.
    package func followed(_ path: String) -> TreeEntry? {
        var rest = EntryPath.names(path)[...]
        var walked: [String] = []
        var found: TreeEntry?
        var links = 0
        while let name = rest.popFirst() {
            if name == "." { continue }
            if name == ".." {
                _ = walked.popLast()
                found = walked.isEmpty ? nil : entry(at: walked)
                continue
            }
            guard let next = entry(at: walked + [name]) else { return nil }
            guard case .link(let target) = next.content else {
                walked.append(name)
                found = next
                continue
            }
            links += 1
            guard links <= Self.linksMax else { return nil }
            rest = (EntryPath.names(target) + rest)[...]
            walked = []
            found = nil
        }
        return found
    }
}
