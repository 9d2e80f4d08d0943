import SharedCrypto

/// The digests a service is known by, computed over its expanded bytes in one pass.
package struct ServiceDigests: Sendable {
    private var sha3 = ServiceHash()
    private var sha2 = SHA256()
    private var blake2b = Blake2b()

    package init() {}

    package mutating func update(_ piece: RawSpan) {
        // SAFETY: the bytes are read during the call.
        unsafe piece.withUnsafeBytes { bytes in
            unsafe sha3.update(bufferPointer: bytes)
            unsafe sha2.update(bufferPointer: bytes)
            unsafe blake2b.update(bufferPointer: bytes)
        }
    }

    /// The id first, then the others.
    package func finalize() -> [Hash] {
        [
            Hash(.sha3, value: sha3.finalize()), Hash(.sha2, value: Array(sha2.finalize())),
            Hash(.blake2b, value: blake2b.finalize()),
        ]
    }
}

extension Metadata {
    /// What is said of a service of these digests and names, in a codec.
    package init(hashes: [Hash], tags: [String], codec: Codec? = nil) {
        self.init()
        var hashtag = HashTag()
        hashtag.hashes = hashes
        hashtag.tags = tags
        self.hashtag = hashtag
        format = codec.map { DataFormat(tags: [$0.rawValue]) }
    }

    /// The digest that an algorithm made, if it is there.
    package func digest(_ algorithm: Hash.Algorithm) -> [UInt8]? {
        hashtag?.hashes.first { $0.type == algorithm.type && $0.value.count == 32 }?.value
    }

    /// The codec of the service's bytes: the first of its tags that is one. What says nothing is
    /// `proto3`; nil for a codec nobody here knows.
    package var codec: Codec? {
        guard let tags = format?.tags, !tags.isEmpty else { return .proto3 }
        return tags.lazy.compactMap { Codec(rawValue: $0) }.first
    }
}
