/// A protobuf map with text keys: two keys are the same when their bytes are, and they are written
/// sorted by their bytes. A dictionary of texts finds two spellings of one letter equal, and would
/// drop one of them.
package struct TextMap<Value> {
    private var values: [Name: Value] = [:]

    package struct Name: Hashable, Sendable {
        package let text: String

        package init(_ text: String) {
            self.text = text
        }

        package static func == (left: Name, right: Name) -> Bool {
            left.text.utf8.elementsEqual(right.text.utf8)
        }

        package func hash(into hasher: inout Hasher) {
            // Over the bytes, as they are compared. A text's own hash is the same for all spellings of
            // its letters: of twenty there are a million, and each would be looked for among all.
            for byte in text.utf8 { hasher.combine(byte) }
        }
    }

    package init() {}

    package subscript(_ key: String) -> Value? {
        get { values[Name(key)] }
        set { values[Name(key)] = newValue }
    }

    package var isEmpty: Bool { values.isEmpty }
    package var count: Int { values.count }

    /// Sorted by the bytes of the keys.
    package var sorted: [(key: String, value: Value)] {
        values.map { (key: $0.text, value: $1) }
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    package var keys: [String] { sorted.map(\.key) }
}

extension TextMap: Sequence {
    package func makeIterator() -> IndexingIterator<[(key: String, value: Value)]> {
        sorted.makeIterator()
    }
}

extension TextMap: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, Value)...) {
        for (key, value) in elements { self[key] = value }
    }
}

extension TextMap: Equatable where Value: Equatable {}
extension TextMap: Sendable where Value: Sendable {}
