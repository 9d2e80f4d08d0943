/// A text that is its bytes: a name in a directory, a key of a map.
///
/// Keeps true: two are equal, and one comes before another, when it is so of their UTF-8. Texts
/// themselves are equal here where people would see the same letters, and a kernel keeps both.
package struct ExactText: Hashable, Comparable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package static func == (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    package static func < (left: ExactText, right: ExactText) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        // Over the bytes, as they are compared. A text's own hash is the same for all spellings of its
        // letters: of twenty there are a million, and each would be looked for among all.
        for byte in text.utf8 { hasher.combine(byte) }
    }
}
