/// A protobuf map with text keys: two keys are the same when their bytes are, and they are written
/// sorted by their bytes. A dictionary of texts finds two spellings of one letter equal, and would
/// drop one of them.
package struct TextMap<Value> {
    private var values: [ExactText: Value] = [:]

    package init() {}

    /// The last of two with one key counts.
    package init(_ pairs: some Sequence<(String, Value)>) {
        for (key, value) in pairs { self[key] = value }
    }

    package subscript(_ key: String) -> Value? {
        get { values[ExactText(key)] }
        set { values[ExactText(key)] = newValue }
    }

    package var isEmpty: Bool { values.isEmpty }
    package var count: Int { values.count }

    /// Sorted by the bytes of the keys.
    package var sorted: [(key: String, value: Value)] {
        values.sorted { $0.key < $1.key }.map { (key: $0.key.text, value: $0.value) }
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
        self.init(elements)
    }
}

extension TextMap: Equatable where Value: Equatable {}
extension TextMap: Sendable where Value: Sendable {}
