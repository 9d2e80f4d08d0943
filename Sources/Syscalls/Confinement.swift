// What a process gives up for good before it runs somebody else's program.

import CShim
import Glibc

package enum Confinement {
    /// The number of the capability that may signal any process in reach.
    package static let capabilityKill: UInt64 = 5

    /// From here on uid 0 means nothing: changes of uid neither give nor take capabilities, and no
    /// program executed can have any. Comes before `become` and `limitCapabilities`.
    package static func lockCapabilities() throws(Errno) {
        try Call.check { celaut_clear_ambient() }
        var capability: Int32 = 0
        // The kernel answers EINVAL past its last one.
        while celaut_drop_bounding(capability) == 0 { capability += 1 }
        // NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE on, KEEP_CAPS off, all four locked.
        try Call.check { celaut_secure_bits(0b1110_1111) }
    }

    /// Takes another identity without supplementary groups.
    package static func become(uid: UInt32, gid: UInt32) throws(Errno) {
        try Call.check { celaut_become(uid, gid) }
    }

    /// Exactly these stay.
    package static func limitCapabilities(to kept: [UInt64]) throws(Errno) {
        var mask: UInt64 = 0
        for capability in kept { mask |= 1 << capability }
        try Call.check { celaut_capabilities(mask) }
    }

    /// Only the system calls a filter allows, from now on and in all children.
    package static func filter(_ program: [UInt8]) throws(Errno) {
        precondition(program.count % 8 == 0, "a filter is whole instructions")
        // SAFETY: the kernel copies as many instructions as are there, during the call.
        try Call.check {
            unsafe program.withUnsafeBytes {
                unsafe celaut_seccomp($0.baseAddress, UInt16(program.count / 8))
            }
        }
    }

    /// A session keyring of its own, so that none is shared with who launched it.
    package static func leaveKeyring() throws(Errno) {
        try Call.check { celaut_new_session_keyring() }
    }

    package static func newSession() {
        _ = setsid()
    }

    package static func defaultSignals() {
        celaut_default_signals()
    }

    /// Children that end are reaped by the kernel.
    package static func ignoreChildren() {
        Signal.child.ignore()
    }

    /// Writes to the standard error, for who has no log yet.
    package static func complain(_ text: String) {
        let bytes = [UInt8](text.utf8)
        // SAFETY: the kernel reads as many bytes as are there. Nobody reads the error of an error.
        _ = unsafe bytes.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
    }

    /// Sends a signal to all processes of this pid namespace but this one. False: there are none.
    package static func signalAll(_ signal: Signal) -> Bool {
        kill(-1, signal.number) == 0
    }

    /// Ends this copy of a process at once.
    package static func exit(_ code: Int32) -> Never {
        _exit(code)
    }

    /// Gives the descriptor this number, not close-on-exec.
    package static func place(_ descriptor: borrowing Descriptor, as number: Int32) throws(Errno) {
        let raw = descriptor.raw
        precondition(raw > number, "the number would be taken from another")
        try Call.check { dup2(raw, number) }
    }

    /// Closes every descriptor from this number on but those listed, sorted, without their owners
    /// being asked: for a copy of a process that never goes back to them.
    package static func closeAll(from first: Int32, but kept: [Int32]) throws(Errno) {
        var next = first
        for number in kept where number >= first {
            if number > next {
                try Call.check { celaut_close_between(UInt32(next), UInt32(number - 1)) }
            }
            next = number + 1
        }
        try Call.check { celaut_close_from(UInt32(next)) }
    }

    /// Becomes the program, or says why not.
    package static func execute(_ program: Program) -> Errno {
        // SAFETY: all are null-terminated and live until the call returns, which is only on error.
        unsafe execve(
            program.path.first, program.arguments.pointers, program.environment.pointers)
        let code = errno
        withExtendedLifetime(program) {}
        return Errno(code: code)
    }
}

/// What is to be executed, as the kernel takes it.
package struct Program {
    fileprivate let path: CByteStrings
    fileprivate let arguments: CByteStrings
    fileprivate let environment: CByteStrings

    package init(_ path: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]) {
        self.path = CByteStrings([path])
        self.arguments = CByteStrings(arguments)
        self.environment = CByteStrings(environment)
    }
}

/// A null-terminated array of terminated byte strings that is never freed before the program ends
/// or becomes another.
@safe fileprivate final class CByteStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [[UInt8]]) {
        count = strings.count
        // SAFETY: one place per string and one for the end; each string is copied with its NUL.
        unsafe pointers = .allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() {
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: string.count + 1)
            for (place, byte) in string.enumerated() {
                unsafe copy[place] = CChar(bitPattern: byte)
            }
            unsafe copy[string.count] = 0
            unsafe (pointers + index).initialize(to: copy)
        }
        unsafe (pointers + strings.count).initialize(to: nil)
    }

    /// Empty where there is none.
    var first: UnsafePointer<CChar> {
        // SAFETY: the array has one string more than the end, or a static empty one stands in.
        unsafe pointers[0].map { unsafe UnsafePointer($0) } ?? UnsafePointer(Self.empty)
    }

    nonisolated(unsafe) private static let empty: UnsafeMutablePointer<CChar> = {
        let place = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        unsafe place.initialize(to: 0)
        return unsafe place
    }()

    deinit {
        // SAFETY: each was allocated above and is freed once.
        for index in 0..<count { unsafe pointers[index]?.deallocate() }
        unsafe pointers.deallocate()
    }
}

/// Waiting for several descriptors without a place in the kernel to remember them.
package enum Poll {
    package struct Wait: Sendable {
        package var number: Int32
        package var ready = false
        package init(_ descriptor: borrowing Descriptor) { number = descriptor.raw }
        /// One that is never ready.
        package init() { number = -1 }
    }

    /// Waits until one can be read or was closed at the other end.
    package static func wait(_ waits: inout [Wait], milliseconds: Int32 = -1) throws(Errno) {
        var entries = waits.map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
        // SAFETY: the kernel reads and writes as many entries as are there, during the call.
        try Call.check { unsafe poll(&entries, nfds_t(entries.count), milliseconds) }
        for index in waits.indices { waits[index].ready = entries[index].revents != 0 }
    }
}
