import ServiceModel
import SharedCrypto

/// By what an equal input is known before its id is computed: the SHA-256 of the specification and of
/// the tree with the digests of its contents.
///
/// Keeps true: equal fingerprints mean equal ids, because the canonical form is made of the same
/// parts. The id itself is a SHA3-256 over all contents, at a fifth of the speed: an unchanged tree
/// does not pay for it again.
enum BoxFingerprint {
    // Named in what is hashed: another way of writing it down is another fingerprint.
    private static let form = "celaut fingerprint 1"

    static func of(_ service: Service, _ tree: FileTree) -> ContentDigest {
        var writing = Writing()
        writing.put(Array(form.utf8))
        writing.put(service.encoded())
        writing.put(tree.isReadOnly ? 1 : 0)
        writing.put(tree.attributes)
        writing.put(tree.entries)
        return writing.digest()
    }

    /// Every part with its length before it, so that no two trees are written alike.
    private struct Writing {
        // LIMIT: bytes held before they are hashed.
        private static let heldBytes = 65_536
        private var hash = SHA256()
        private var held: [UInt8] = []

        mutating func digest() -> ContentDigest {
            flush()
            return ContentDigest(hash)
        }

        private mutating func flush() {
            // SAFETY: bytes have no padding; they are read during the call.
            unsafe held.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
            held.removeAll(keepingCapacity: true)
        }

        mutating func put(_ bytes: [UInt8]) {
            put(UInt64(bytes.count))
            held += bytes
            if held.count >= Self.heldBytes { flush() }
        }

        mutating func put(_ number: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) {
                held.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }

        mutating func put(_ attributes: FileAttributes) {
            put(UInt64(attributes.mode))
            put(UInt64(attributes.uid))
            put(UInt64(attributes.gid))
            put(attributes.modifiedNanoseconds)
        }

        mutating func put(_ entries: [TreeEntry]) {
            put(UInt64(entries.count))
            for entry in entries {
                put(Array(entry.name.utf8))
                put(entry.attributes)
                if let share = entry.share { put(Array("share \(share)".utf8)) }
                put(UInt64(entry.extended.count))
                for attribute in entry.extended {
                    put(Array(attribute.name.utf8))
                    put(attribute.value)
                }
                switch entry.content {
                case .file(let digest, let bytes):
                    put(1)
                    put(digest.bytes)
                    put(bytes)
                case .link(let target):
                    put(2)
                    put(Array(target.utf8))
                    put(Array(entry.text.utf8))
                case .directory(let below):
                    put(3)
                    put(below)
                }
            }
        }
    }
}
