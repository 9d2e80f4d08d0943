/// Bytes from and to block devices, as the kernel lists them for a cgroup.
///
/// Keeps true: what an instance writes is counted once, at the loop device its root lies on, and not
/// again at the device below.
package struct IOCounts: Equatable {
    package private(set) var read: UInt64 = 0
    package private(set) var written: UInt64 = 0
    private static let loop = "7:"

    /// blkio.throttle.io_service_bytes: "254:0 Read 4096" a line, and a "Total".
    package init(version1 text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let bytes = UInt64(words[2]) else { continue }
            if words[1] == "Read" { read &+= bytes }
            if words[1] == "Write", words[0].hasPrefix(Self.loop) { written &+= bytes }
        }
    }

    /// io.stat: "254:0 rbytes=4096 wbytes=0 rios=1 …" a line.
    package init(version2 text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let device = words.first else { continue }
            for word in words.dropFirst() {
                let parts = word.split(separator: "=")
                guard parts.count == 2, let bytes = UInt64(parts[1]) else { continue }
                if parts[0] == "rbytes" { read &+= bytes }
                if parts[0] == "wbytes", device.hasPrefix(Self.loop) { written &+= bytes }
            }
        }
    }
}
