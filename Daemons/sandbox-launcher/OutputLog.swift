// The output of an instance on disk: two files, each at most half of the bound; when the newer is
// full the older is dropped, and what was in it is counted. A disk that takes no more drops what
// came, and that is counted too: an instance never waits for its log.

import LaunchPlan
import Syscalls

struct OutputLog: ~Copyable {
    private let directory: Descriptor
    private var file: Descriptor
    private let fileBytesMax: UInt64
    private var head = OutputFileHead(sequence: 0, droppedBytes: 0)
    /// Bytes of the newer file, and of its data alone.
    private var fileBytes: UInt64
    private var dataBytes: UInt64 = 0
    /// Data in the older file, and lost since without a place to say so.
    private var olderDataBytes: UInt64 = 0

    /// - Parameter owner: who will go on with it.
    init(directory: consuming Descriptor, bytesMax: UInt64, owner: UInt32) throws(Errno) {
        let file = try Self.create(directory, OutputFileHead(sequence: 0, droppedBytes: 0))
        try File.setOwner(file, uid: owner, gid: owner)
        self.file = file
        self.directory = directory
        fileBytesMax = bytesMax / 2
        fileBytes = UInt64(OutputFileHead.bytes)
    }

    private static func create(
        _ directory: borrowing Descriptor, _ head: OutputFileHead
    ) throws(Errno) -> Descriptor {
        let file = try File.open(
            at: directory, InstanceFiles.output, .writeOnly, [.create, .truncate])
        try File.writeAll(file, head.encoded(), at: 0)
        return file
    }

    var fileNumber: Int32 { file.raw }
    var directoryNumber: Int32 { directory.raw }

    mutating func append(_ stream: OutputRecordHead.Stream, _ data: [UInt8]) {
        let record = UInt64(OutputRecordHead.bytes + data.count)
        if fileBytes + record > fileBytesMax, !turn() {
            olderDataBytes += UInt64(data.count)
            return
        }
        var bytes = [UInt8](repeating: 0, count: OutputRecordHead.bytes)
        var span = bytes.mutableSpan
        OutputRecordHead(
            stream: stream, dataBytes: UInt32(data.count),
            timeNanoseconds: Clock.realtimeNanoseconds()
        ).encode(into: &span)
        bytes.append(contentsOf: data)
        do throws(Errno) {
            try File.writeAll(file, bytes, at: fileBytes)
            fileBytes += record
            dataBytes += UInt64(data.count)
        } catch {
            // A part of a record is overwritten by the next one.
            olderDataBytes += UInt64(data.count)
        }
    }

    /// False where the disk refused: what came is dropped, the next turn tries again.
    private mutating func turn() -> Bool {
        do throws(Errno) {
            do throws(Errno) {
                try File.rename(
                    at: directory, InstanceFiles.output, to: directory, InstanceFiles.outputOlder)
            } catch .noEntry {
                // An earlier turn came this far.
            }
            let next = OutputFileHead(
                sequence: head.sequence + 1, droppedBytes: head.droppedBytes + olderDataBytes)
            file = try Self.create(directory, next)
            head = next
        } catch {
            return false
        }
        olderDataBytes = dataBytes
        dataBytes = 0
        fileBytes = UInt64(OutputFileHead.bytes)
        return true
    }
}
