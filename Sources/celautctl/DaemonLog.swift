import Channel
import Syscalls

/// What the daemons of a foreground node write: passed on to our own standard error as it comes, and
/// kept in a file for `celautctl logs --daemon`.
///
/// Keeps true: a log never takes more than twice `bytesMax`; a disk that is full takes nothing from the
/// terminal.
final class DaemonLog {
    // LIMIT: 8 MiB of a daemon's lines; then the file becomes `.1`, and the one before that goes.
    private static let bytesMax: UInt64 = 8 << 20
    private static let runBytesMax = 65_536

    /// The daemon's standard output and error.
    let writing: Descriptor
    private let reading: Descriptor
    private let path: String
    private var file: SharedDescriptor?
    private var bytes: UInt64 = 0

    init(path: String) throws(Errno) {
        let pipe = try Pipe()
        // A daemon that writes waits until there is room; its lines are few.
        writing = try pipe.writing.duplicate()
        reading = pipe.keepReading()
        try reading.setNonBlocking(true)
        self.path = path
        open()
    }

    /// Passes on what is there. On the loop.
    func watch(on loop: EventLoop) throws(Errno) {
        _ = try loop.watch(raw: reading.raw, .readable) { [weak self] _ in self?.pass() }
    }

    func pass() {
        var buffer = [UInt8](repeating: 0, count: Self.runBytesMax)
        while let count = try? File.read(reading, into: &buffer), count > 0 {
            let lines = Array(buffer[..<count])
            _ = Terminal.write(lines, to: .error)
            keep(lines)
        }
    }

    private func keep(_ lines: [UInt8]) {
        if bytes > Self.bytesMax {
            try? File.rename(path, to: path + ".1")
            open()
        }
        guard let file, (try? File.writeAll(file.descriptor, lines)) != nil else { return }
        bytes += UInt64(lines.count)
    }

    private func open() {
        file = nil
        if let fresh = try? File.open(path, .writeOnly, [.create, .append], mode: 0o644) {
            file = SharedDescriptor(fresh)
        }
        bytes = (try? File.status(path).sizeBytes) ?? 0
    }
}
