// Memory with a descriptor, to hand over what does not fit a message.

import CShim
import Glibc

package enum Memfd {
    /// An empty one that can grow.
    package static func make(name: String) throws(Errno) -> Descriptor {
        try Call.checkName(name)
        // SAFETY: the name is a terminated string for the length of the call.
        return try Call.descriptor {
            unsafe memfd_create(name, UInt32(celaut_mfd_flags))
        }
    }

    /// Bytes that nobody can change any more, neither giver nor receiver.
    package static func sealed(
        _ bytes: [UInt8], name: String = "celaut"
    ) throws(Errno) -> Descriptor {
        let descriptor = try make(name: name)
        try File.writeAll(descriptor, bytes)
        try seal(descriptor)
        try File.seek(descriptor, to: 0)
        return descriptor
    }

    /// Forbids writing, growing, shrinking, and further seals.
    package static func seal(_ descriptor: borrowing Descriptor) throws(Errno) {
        let raw = descriptor.raw
        try Call.check { celaut_fcntl(raw, celaut_f_add_seals, Int(celaut_seals_all)) }
    }

    /// Whether nobody can change the content: sealed against write, grow and shrink.
    package static func isSealed(_ descriptor: borrowing Descriptor) -> Bool {
        let seals = celaut_fcntl(descriptor.raw, celaut_f_get_seals, 0)
        let needed: Int32 = 0x2 | 0x4 | 0x8
        return seals != -1 && seals & needed == needed
    }
}

/// Bytes of a file, mapped to be read. The file must not shrink meanwhile: map what is sealed, or
/// ours alone.
@safe package struct Mapping: ~Copyable, @unchecked Sendable {
    private let start: UnsafeMutableRawPointer?
    package let count: Int

    package init(_ descriptor: borrowing Descriptor, bytes: Int) throws(Errno) {
        count = bytes
        guard bytes > 0 else {
            unsafe start = nil
            return
        }
        // SAFETY: a new private mapping; failure is the all-ones address.
        let made = unsafe mmap(nil, bytes, PROT_READ, MAP_PRIVATE, descriptor.raw, 0)
        guard let made = unsafe made, UInt(bitPattern: made) != UInt.max else {
            throw Call.failure(errno)
        }
        unsafe start = made
    }

    deinit {
        // SAFETY: the mapping made above, unmapped once; no span of it can outlive this value.
        if let start = unsafe start { unsafe munmap(start, count) }
    }

    package borrowing func withBytes<Value, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        // SAFETY: the mapping has `count` readable bytes for as long as self lives, and the span
        // cannot leave the closure.
        try body(unsafe UnsafeRawBufferPointer(start: start, count: count).bytes)
    }
}
