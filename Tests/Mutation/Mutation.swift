// Good bytes made bad: one change at a time where every change is tried, several at random where
// there are too many to try.

import FoundationEssentials
import Wire

/// The packets of Protocols/frozen: good frames of every kind and method.
enum FrozenPackets {
    static let all: [[UInt8]] = {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let folder = "/\(root)/Protocols/frozen/revision-1"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        precondition(!names.isEmpty, "no frozen frames")
        return names.sorted().map { name in
            let contents = FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()
            return String(decoding: contents, as: UTF8.self).split(separator: "\n").flatMap {
                $0.prefix { $0 != "#" }.split(separator: " ").compactMap { UInt8($0, radix: 16) }
            }
        }
    }()
}

/// Ways to spoil bytes.
enum Mutation {
    /// The bytes cut before each of them: 0 to one less than all.
    static func cuts(_ bytes: [UInt8]) -> [[UInt8]] {
        bytes.indices.map { Array(bytes[..<$0]) }
    }

    /// The bytes with one of them changed: each bit flipped, all flipped, zero and full.
    static func flips(_ bytes: [UInt8], at index: Int) -> [[UInt8]] {
        let old = bytes[index]
        let masks = (0..<8).map { UInt8(1) << $0 } + [0xFF]
        let values = Set(masks.map { old ^ $0 } + [0, 0xFF, 0x80, 0x7F]).subtracting([old])
        return values.sorted().map { value in
            var changed = bytes
            changed[index] = value
            return changed
        }
    }

    /// One to four random changes; the header's length is made right again half of the time, so
    /// that the body is reached.
    static func random(_ bytes: [UInt8], using generator: inout SplitMix) -> [UInt8] {
        var changed = bytes
        for _ in 0...generator.below(3) {
            switch generator.below(6) {
            case 0: changed.removeLast(generator.below(changed.count + 1))
            case 1: changed += generator.bytes(generator.below(64))
            case 2 where !changed.isEmpty:
                let start = generator.below(changed.count)
                let end = start + generator.below(changed.count - start + 1)
                changed.insert(contentsOf: changed[start..<end], at: start)
            default:
                guard !changed.isEmpty else { continue }
                // Mostly in the body: most changes of the header end there.
                let index =
                    generator.once(in: 4) ? 0 : min(WireLimits.headerBytes, changed.count - 1)
                changed[index + generator.below(changed.count - index)] ^=
                    UInt8(truncatingIfNeeded: 1 << generator.below(8))
            }
        }
        if changed.count > WireLimits.packetBytesMax { changed.removeLast(changed.count / 2) }
        if generator.once(in: 2), changed.count >= WireLimits.headerBytes {
            var span = changed.mutableSpan
            span.putLittleEndian(UInt32(span.count - WireLimits.headerBytes), at: 12)
        }
        return changed
    }
}

extension [UInt8] {
    /// The number of descriptors that a packet's header declares.
    var declaredDescriptors: Int { Int(span.littleEndian16(at: 32)) }

    /// What follows the header.
    var body: [UInt8] { Array(self[WireLimits.headerBytes...]) }
}
