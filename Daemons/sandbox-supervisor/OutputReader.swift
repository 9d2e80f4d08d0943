import Interfaces
import LaunchPlan
import Syscalls

/// Reads the output files of one instance from a place on, while the witness may be writing them.
///
/// Keeps true: records come in the order they were written, each once; what was dropped before a
/// record is told with it.
struct OutputReader: Sendable {
    /// Up to where it was read: the file's sequence number, and the offset of the next record.
    struct Place: Sendable, Equatable {
        var sequence: UInt64 = 0
        var offset = UInt64(OutputFileHead.bytes)
        var droppedBytes: UInt64 = 0
    }

    /// The directory of the instance.
    let path: String

    // LIMIT: bytes taken at once: a few records, so that a reader of a large output holds little.
    private static let stepBytes = 4 * OutputRecordHead.dataBytesMax

    /// The records that are there after a place, at most a few; empty at the end of what is written.
    func next(from place: inout Place) -> [OutputItem] {
        for name in [InstanceFiles.outputOlder, InstanceFiles.output] {
            guard let file = try? File.open("\(path)/\(name)") else { continue }
            guard let head = Self.head(file), head.sequence >= place.sequence else { continue }
            var dropped: UInt64 = 0
            if head.sequence > place.sequence {
                dropped = head.droppedBytes - min(place.droppedBytes, head.droppedBytes)
                place = Place(sequence: head.sequence, droppedBytes: head.droppedBytes)
            }
            let items = Self.items(file, &place, dropped)
            if !items.isEmpty { return items }
        }
        return []
    }

    private static func head(_ file: borrowing Descriptor) -> OutputFileHead? {
        var buffer = [UInt8](repeating: 0, count: OutputFileHead.bytes)
        guard (try? File.read(file, into: &buffer, at: 0)) == buffer.count else { return nil }
        return OutputFileHead(reading: buffer.span)
    }

    private static func items(
        _ file: borrowing Descriptor, _ place: inout Place, _ dropped: UInt64
    ) -> [OutputItem] {
        var buffer = [UInt8](repeating: 0, count: stepBytes)
        guard let count = try? File.read(file, into: &buffer, at: place.offset) else { return [] }
        var items: [OutputItem] = []
        var offset = 0
        while offset + OutputRecordHead.bytes <= count,
            let head = OutputRecordHead(reading: buffer.span, at: offset)
        {
            let end = offset + OutputRecordHead.bytes + Int(head.dataBytes)
            if end > count { break }
            var item = OutputItem()
            item.stream = head.stream == .stdout ? .stdout : .stderr
            item.timeNs = head.timeNanoseconds
            item.dataBytes = [UInt8](buffer[(offset + OutputRecordHead.bytes)..<end])
            if items.isEmpty { item.droppedBytes = dropped }
            items.append(item)
            offset = end
        }
        place.offset += UInt64(offset)
        return items
    }

    /// The place from which the last lines can be read, and the items from there to the end. Reads
    /// all that is kept, which is bounded, and holds the tail.
    func tail(lines: Int, place: inout Place) -> [OutputItem] {
        var kept: [OutputItem] = []
        while true {
            let items = next(from: &place)
            if items.isEmpty { break }
            kept = Self.cut(kept + items, toLines: lines)
        }
        return kept
    }

    /// The end of the output that has so many lines. A line without its end counts.
    private static func cut(_ items: [OutputItem], toLines lines: Int) -> [OutputItem] {
        var left = lines
        var isLast = true
        for place in items.indices.reversed() {
            let data = items[place].dataBytes
            for at in data.indices.reversed() where data[at] == UInt8(ascii: "\n") || isLast {
                // The very last byte ends a line or is in one: it is not the end of the one before.
                if isLast {
                    isLast = false
                    continue
                }
                left -= 1
                if left > 0 { continue }
                var first = items[place]
                first.dataBytes = [UInt8](data[(at + 1)...])
                let rest = items[(place + 1)...]
                return first.dataBytes.isEmpty ? [OutputItem](rest) : [first] + rest
            }
        }
        return items
    }

    // LIMIT: of the last lines told with an end: what a person looks at first.
    private static let lastLinesMax = 40
    private static let lastLineBytesMax = 400

    func lastLines() -> [String] {
        var place = Place()
        var bytes: [UInt8] = []
        for item in tail(lines: Self.lastLinesMax, place: &place) { bytes += item.dataBytes }
        return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
            .suffix(Self.lastLinesMax)
            .map { String(decoding: $0, as: UTF8.self).cut(toBytes: Self.lastLineBytesMax) }
    }
}
