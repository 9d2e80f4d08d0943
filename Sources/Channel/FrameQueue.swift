import Syscalls

/// Frames the peer's queue had no room for, oldest first, as whole packets.
struct FrameQueue: ~Copyable {
    // LIMIT: unsent bytes of a connection; past it goodbye LIMIT_REACHED. The open transactions'
    // largest answers would be 16 MiB; nobody who reads at all is this far behind.
    static let queuedBytesMax = 8_388_608

    // LIMIT: unsent frames from which on nothing more is read from the peer, so that one who asks
    // and does not read is held by his own full queue.
    static let pauseReadingFrames = 64

    struct Queued {
        let packet: [UInt8]
        let descriptors: Parcel?
    }

    private var frames: [Queued] = []
    private var head = 0
    private(set) var bytes = 0

    var count: Int { frames.count - head }
    var isEmpty: Bool { head == frames.count }
    var first: Queued? { isEmpty ? nil : frames[head] }

    mutating func append(_ packet: [UInt8], _ descriptors: Parcel?) {
        frames.append(Queued(packet: packet, descriptors: descriptors))
        bytes += packet.count
    }

    mutating func removeFirst() {
        bytes -= frames[head].packet.count
        head += 1
        if head == frames.count || head >= 64 {
            frames.removeFirst(head)
            head = 0
        }
    }

    mutating func removeAll() {
        frames = []
        head = 0
        bytes = 0
    }
}
