// The funnel every system call goes through: interrupted calls are made again, failures become
// Errno, and what can only be our own error stops the process.

import Glibc

package enum Call {
    /// Makes the call until it is not interrupted.
    ///
    /// - Throws: what the call failed with.
    @inline(__always)
    @discardableResult
    package static func check<Value: FixedWidthInteger & SignedInteger>(
        _ body: () -> Value
    ) throws(Errno) -> Value {
        while true {
            let value = body()
            if value != -1 { return value }
            let code = errno
            if code == EINTR { continue }
            throw failure(code)
        }
    }

    /// Makes the call once: for calls that must not be repeated, and where a signal is an answer.
    @inline(__always)
    @discardableResult
    static func once<Value: FixedWidthInteger & SignedInteger>(
        _ body: () -> Value
    ) throws(Errno) -> Value {
        let value = body()
        if value != -1 { return value }
        throw failure(errno)
    }

    /// A call that gives a new descriptor.
    @inline(__always)
    static func descriptor(_ body: () -> Int32) throws(Errno) -> Descriptor {
        Descriptor(adopting: try check(body))
    }

    /// A call that gives 0 or the error's number, and leaves errno alone.
    static func number(_ body: () -> Int32) throws(Errno) {
        let code = body()
        if code != 0 { throw failure(code) }
    }

    static func failure(_ code: Int32) -> Errno {
        precondition(code != EBADF, "a descriptor that is not open was used")
        precondition(code != EFAULT, "an address that is not ours was used")
        return Errno(code: code)
    }

    /// A name with a NUL would be cut by the kernel into another name.
    static func checkName(_ path: String) throws(Errno) {
        if path.utf8.contains(0) { throw .invalid }
    }
}
