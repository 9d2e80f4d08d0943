import ServiceModel

/// The id of a service: 32 bytes.
package struct ServiceID: Hashable, Sendable, Comparable, CustomStringConvertible {
    // A content's digest has the same form: 32 bytes in four words.
    private let words: ContentDigest

    package init?(_ bytes: some Collection<UInt8>) {
        guard let words = ContentDigest(bytes) else { return nil }
        self.words = words
    }

    package var bytes: [UInt8] { words.bytes }
    /// 64 lower-case hexadecimal digits.
    package var description: String { words.hex }
    var imageName: String { "\(words.hex).erofs" }

    package static func < (left: Self, right: Self) -> Bool {
        left.words < right.words
    }
}
