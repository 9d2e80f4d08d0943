// A process by descriptor: unlike a pid it can never come to mean another process.

import CShim
import Glibc

/// How a process ended.
package enum ExitStatus: Sendable, Equatable {
    case exited(Int32)
    case signaled(Signal, coreDumped: Bool)
}

package enum Pidfd {
    /// - Throws: `.noProcess` when there is none of that pid any more.
    package static func open(pid: Int32) throws(Errno) -> Descriptor {
        try Call.descriptor { celaut_pidfd_open(pid) }
    }

    /// What a descriptor refers to that came from elsewhere.
    package enum Subject: Sendable, Equatable {
        case process(pid: Int32)
        /// A process that has ended and was waited for, or is not of our pid namespace.
        case ended
        /// It is no pidfd.
        case other
    }

    package static func subject(of descriptor: borrowing Descriptor) -> Subject {
        let path = "/proc/self/fdinfo/\(descriptor.raw)"
        guard let text = try? File.readAll(path, limit: 4_096) else { return .other }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            guard line.hasPrefix("Pid:") else { continue }
            let pid = Int32(line.dropFirst(4).filter { !$0.isWhitespace }) ?? 0
            return pid > 0 ? .process(pid: pid) : .ended
        }
        return .other
    }

    /// - Throws: `.noProcess` when it has ended and was waited for.
    package static func send(
        _ signal: Signal, to pidfd: borrowing Descriptor
    ) throws(Errno) {
        let raw = pidfd.raw
        try Call.check { celaut_pidfd_send_signal(raw, signal.number) }
    }

    /// How our child ended, and gone from the process table; nil when it still runs.
    package static func reap(_ pidfd: borrowing Descriptor) throws(Errno) -> ExitStatus? {
        try wait(UInt32(celaut_p_pidfd), UInt32(pidfd.raw), WNOHANG)?.status
    }

    /// Waits until our child has ended. Blocks the thread.
    package static func wait(_ pidfd: borrowing Descriptor) throws(Errno) -> ExitStatus {
        guard let ended = try wait(UInt32(celaut_p_pidfd), UInt32(pidfd.raw), 0) else {
            throw .noChild
        }
        return ended.status
    }

    static func wait(
        _ which: UInt32, _ id: UInt32, _ options: Int32
    ) throws(Errno) -> (pid: Int32, status: ExitStatus)? {
        // SAFETY: the kernel fills the local value, whose union is read by the shim through the
        // members of a SIGCHLD.
        var info = unsafe siginfo_t()
        try Call.check {
            unsafe celaut_waitid(Int32(which), id, &info, options | WEXITED)
        }
        let pid = unsafe celaut_siginfo_pid(&info)
        if pid == 0 { return nil }
        let value = unsafe celaut_siginfo_status(&info)
        switch unsafe celaut_siginfo_code(&info) {
        case 1: return (pid, .exited(value))
        case 3: return (pid, .signaled(Signal(number: value), coreDumped: true))
        default: return (pid, .signaled(Signal(number: value), coreDumped: false))
        }
    }
}

extension Process {
    /// Any child that ended, and gone from the process table; nil when all still run.
    ///
    /// - Throws: `.noChild` when there are none.
    package static func reapAny() throws(Errno) -> (pid: Int32, status: ExitStatus)? {
        try Pidfd.wait(0, 0, WNOHANG)
    }

    /// Waits until any child has ended. Blocks the thread.
    ///
    /// - Throws: `.noChild` when there are none.
    package static func waitAny() throws(Errno) -> (pid: Int32, status: ExitStatus)? {
        try Pidfd.wait(0, 0, 0)
    }

    /// Waits until our child of this pid has ended. Blocks the thread.
    package static func wait(pid: Int32) throws(Errno) -> ExitStatus {
        guard let ended = try Pidfd.wait(1, UInt32(pid), 0) else { throw .noChild }
        return ended.status
    }
}
