package import Interfaces
package import Syscalls

/// Where an export goes: a file, or whoever reads a pipe or socket, for whom it waits without being
/// stuck.
package struct ExchangeOutput: ~Copyable {
    private let target: Descriptor
    private let waits: Bool
    private let wait: PeerWait

    // LIMIT: bytes of one write to a reader: PIPE_BUF of Linux. A pipe that can be written to has
    // room for so many: a write of more could wait for ever.
    private static let stepBytes = 4_096

    package init(_ target: consuming Descriptor, wait: PeerWait = PeerWait()) {
        let kind = (try? File.status(target))?.kind
        waits = kind != .regular
        self.target = target
        self.wait = wait
    }

    package func write(_ bytes: [UInt8], _ isCancelled: () -> Bool) throws(Fault) {
        // SAFETY: bytes have no padding.
        let run = unsafe bytes.span.bytes
        guard !isCancelled() else { throw .cancelled }
        guard waits else {
            return try Self.writing { () throws(Errno) in try File.writeAll(target, run) }
        }
        var written = 0
        while written < run.byteCount {
            try wait.writing(target, "target", isCancelled)
            let end = min(written + Self.stepBytes, run.byteCount)
            let count = try Self.writing { () throws(Errno) in
                try File.write(target, run.extracting(written..<end))
            }
            wait.moved(count)
            written += count
        }
    }

    private static func writing<Value>(_ body: () throws(Errno) -> Value) throws(Fault) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw error.leavesNoRoom
                ? Fault(.storageFull, subject: "target")
                : .invalid(.badDescriptor, subject: "target: \(error.name)")
        }
    }
}
