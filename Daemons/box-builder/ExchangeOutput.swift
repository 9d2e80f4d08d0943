import Interfaces
import Syscalls

/// Where an export goes: a file, or whoever reads a pipe or socket, for whom it waits without being
/// stuck.
struct ExchangeOutput: ~Copyable {
    private let target: Descriptor
    private let waits: Bool

    // LIMIT: how long a slow reader is waited for before `isCancelled` is asked, in milliseconds.
    private static let patience: Int32 = 100

    // LIMIT: bytes of one write to a reader: PIPE_BUF of Linux. A pipe that can be written to has
    // room for so many: a write of more could wait for ever.
    private static let stepBytes = 4_096

    init(_ target: consuming Descriptor) {
        let kind = (try? File.status(target))?.kind
        waits = kind != .regular
        self.target = target
    }

    func write(_ bytes: [UInt8], _ isCancelled: () -> Bool) throws(Fault) {
        do throws(Errno) {
            guard waits else {
                guard !isCancelled() else { throw .cancelled }
                return try File.writeAll(target, bytes)
            }
            // SAFETY: bytes have no padding.
            let run = unsafe bytes.span.bytes
            var written = 0
            while written < run.byteCount {
                guard !isCancelled() else { throw .cancelled }
                guard try File.waitWritable(target, milliseconds: Self.patience) else { continue }
                let end = min(written + Self.stepBytes, run.byteCount)
                written += try File.write(target, run.extracting(written..<end))
            }
        } catch {
            switch error {
            case .cancelled: throw .cancelled
            case _ where error.isStorageFull: throw Fault(.storageFull, subject: "target")
            default: throw .invalid(.badDescriptor, subject: "target: \(error.name)")
            }
        }
    }
}
