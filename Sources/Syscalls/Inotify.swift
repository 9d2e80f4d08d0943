// Changes of directories, as events.

import CShim
import Glibc

package struct Inotify: ~Copyable, Sendable {
    package let descriptor: Descriptor

    package struct Mask: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let modified = Mask(rawValue: 0x2)
        package static let closedAfterWrite = Mask(rawValue: 0x8)
        package static let movedFrom = Mask(rawValue: 0x40)
        package static let movedTo = Mask(rawValue: 0x80)
        package static let created = Mask(rawValue: 0x100)
        package static let deleted = Mask(rawValue: 0x200)
        package static let deletedSelf = Mask(rawValue: 0x400)
        /// Events were lost: look for yourself.
        package static let overflow = Mask(rawValue: 0x4000)
        package static let ignored = Mask(rawValue: 0x8000)
    }

    package struct Event: Sendable {
        package let watch: Int32
        package let mask: Mask
        /// Of the entry inside a watched directory; empty for the watched thing itself.
        package let name: String
    }

    package init() throws(Errno) {
        descriptor = try Call.descriptor { inotify_init1(O_CLOEXEC | O_NONBLOCK) }
    }

    package borrowing func watch(_ path: String, _ mask: Mask) throws(Errno) -> Int32 {
        try Call.checkName(path)
        let raw = descriptor.raw
        // SAFETY: the path is a terminated string for the length of the call.
        return try Call.check { unsafe inotify_add_watch(raw, path, mask.rawValue) }
    }

    package borrowing func unwatch(_ watch: Int32) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { inotify_rm_watch(raw, watch) }
    }

    /// What happened since the last call; empty when nothing did.
    package borrowing func next() throws(Errno) -> [Event] {
        // LIMIT: 4,096 bytes a step: at least 15 of the longest events.
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count: Int
        do throws(Errno) {
            count = try File.read(descriptor, into: &buffer)
        } catch .again {
            return []
        }
        var events: [Event] = []
        var offset = 0
        func word(_ at: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(buffer[at + $1]) << (UInt32($1) * 8) }
        }
        // struct inotify_event: watch 4, mask 4, cookie 4, length 4, name padded with NUL.
        while offset + 16 <= count {
            let length = Int(word(offset + 12))
            let name = buffer[(offset + 16)..<(offset + 16 + length)].prefix { $0 != 0 }
            events.append(
                Event(
                    watch: Int32(bitPattern: word(offset)), mask: Mask(rawValue: word(offset + 4)),
                    name: String(decoding: name, as: UTF8.self)))
            offset += 16 + length
        }
        return events
    }
}
