/// The names to list a box under.
extension ServiceDescription {
    // LIMIT: bytes of a tag, as in ImportBoxRequest.
    package static let tagBytesMax = 128

    /// Digits of a name that is a digest of a box, always.
    private static let digestDigits = 64

    /// Why a text is no tag; nil for one that is. What looks like a digest of a box would be looked for
    /// among digests, and never be found.
    ///
    /// - Parameter key: where it stands.
    package static func refusal(ofTag tag: String, at key: String) -> DescriptionError? {
        let bytes = tag.utf8
        guard !bytes.isEmpty, !bytes.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            return DescriptionError(.badName, key: key)
        }
        guard bytes.count <= tagBytesMax else {
            return DescriptionError(
                .tooLarge, key: key, limit: UInt64(tagBytesMax), actual: UInt64(bytes.count))
        }
        guard bytes.count != digestDigits || Hexadecimal.bytes(tag) == nil else {
            return DescriptionError(
                .badName, key: key, limit: UInt64(digestDigits) - 1, actual: UInt64(digestDigits))
        }
        return nil
    }
}
