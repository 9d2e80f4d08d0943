import Syscalls
import Wire

/// The memory meters of what runs, in one file, for a supervisor that comes after this one. It is not
/// flushed: when the machine goes down, what ran is lost, too.
///
/// Keeps true: a record lies within a page, so that a write cut by a kill leaves each record as it was
/// or as it is; of an instance with two records the younger counts.
package struct MeterBook: Sendable {
    package let path: String

    // An id, four words, and zeros up to a power of two.
    private static let recordBytes = 64
    // LIMIT: records of as many instances as there may be, and as many that were not cut off.
    private static let bytesMax = 2 * 16_384 * recordBytes

    package init(path: String) {
        self.path = path
    }

    package func write(_ meters: [(InstanceID, MemoryMeter)]) {
        var writer = ByteWriter(bytesMax: Self.bytesMax)
        do throws(ByteWriter.Overflow) {
            for (id, meter) in meters {
                guard let words = meter.words else { continue }
                for byte in id.bytes { try writer.put(byte) }
                for word in words { try writer.put(word) }
                for _ in 0..<2 { try writer.put(UInt64(0)) }
            }
        } catch {
            return
        }
        do throws(Errno) {
            let file = try File.open(path, .writeOnly, [.create])
            try File.writeAll(file, writer.bytes, at: 0)
            try File.setSize(file, bytes: UInt64(writer.bytes.count))
        } catch {
            // A full disk: the next one counts from what was written last.
        }
    }

    package func read() -> [InstanceID: MemoryMeter] {
        let bytes = (try? File.readAll(path, limit: Self.bytesMax)) ?? []
        var meters: [InstanceID: MemoryMeter] = [:]
        var times: [InstanceID: UInt64] = [:]
        for start in stride(from: 0, to: bytes.count, by: Self.recordBytes) {
            let record = [UInt8](bytes[start...].prefix(Self.recordBytes))
            guard let (id, words) = Self.record(record), words.3 >= times[id] ?? 0 else { continue }
            times[id] = words.3
            meters[id] = MemoryMeter(words: words)
        }
        return meters
    }

    private static func record(
        _ bytes: [UInt8]
    ) -> (InstanceID, (UInt64, UInt64, UInt64, UInt64))? {
        guard bytes.count == recordBytes, let id = InstanceID(bytes.prefix(16)) else { return nil }
        var reader = ByteReader([UInt8](bytes.dropFirst(16)))
        guard let low = try? reader.uint64(), let high = try? reader.uint64(),
            let charged = try? reader.uint64(), let since = try? reader.uint64()
        else { return nil }
        return (id, (low, high, charged, since))
    }
}
