package import ServiceModel

/// What a block goes by: a digest that an algorithm known here made.
package struct BlockName: Hashable, Sendable {
    package let algorithm: Hash.Algorithm
    /// 32 bytes.
    package let value: [UInt8]

    package init(_ algorithm: Hash.Algorithm, _ value: [UInt8]) {
        self.algorithm = algorithm
        self.value = value
    }

    package var hash: Hash { Hash(algorithm, value: value) }
    package var text: String { Hexadecimal.text(value) }
    /// The name of no bytes at all.
    package var isOfNothing: Bool { value == algorithm.type }
}

extension BeeRecord.Block {
    /// One of each algorithm that is known here, the first that is said, in the order of the algorithms:
    /// so both markers of a block have the same first one.
    package var names: [BlockName] {
        Hash.Algorithm.allCases.compactMap { algorithm in
            let type = algorithm.type
            return hashes.first { $0.type == type && $0.value.count == 32 }
                .map { BlockName(algorithm, $0.value) }
        }
    }
}
