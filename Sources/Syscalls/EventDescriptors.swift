// Descriptors that stand for events: signals, timers, wake-ups. All non-blocking, for an event loop.

import CShim
import Glibc

package struct Signal: Equatable, Hashable, Sendable {
    package let number: Int32
    package init(number: Int32) { self.number = number }

    package static let hangUp = Signal(number: SIGHUP)
    package static let interrupt = Signal(number: SIGINT)
    package static let quit = Signal(number: SIGQUIT)
    package static let abort = Signal(number: SIGABRT)
    package static let kill = Signal(number: SIGKILL)
    package static let user1 = Signal(number: SIGUSR1)
    package static let user2 = Signal(number: SIGUSR2)
    package static let pipe = Signal(number: SIGPIPE)
    package static let terminate = Signal(number: SIGTERM)
    package static let child = Signal(number: SIGCHLD)
    package static let `continue` = Signal(number: SIGCONT)
    package static let stop = Signal(number: SIGSTOP)
    package static let fileSize = Signal(number: SIGXFSZ)
    package static let windowChange = Signal(number: SIGWINCH)

    /// "TERM", "KILL".
    package var name: String {
        // SAFETY: the C library returns a static string or null.
        guard let text = unsafe celaut_signal_name(number) else { return "\(number)" }
        return unsafe String(cString: text)
    }

    /// Ignored in this process from now on (and in its children until they change it).
    package func ignore() {
        _ = Glibc.signal(number, SIG_IGN)
    }

    static func set(_ signals: [Signal]) -> sigset_t {
        var set = sigset_t()
        // SAFETY: both calls write the local set only.
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal.number) }
        return set
    }

    /// Blocks signals in this thread and the threads it makes; call before there are others.
    package static func block(_ signals: [Signal]) throws(Errno) {
        var set = set(signals)
        // SAFETY: the set is read during the call only.
        try Call.number { unsafe pthread_sigmask(SIG_BLOCK, &set, nil) }
    }
}

/// Signals as readable events. Making one blocks them for their usual delivery.
package struct SignalFD: ~Copyable, Sendable {
    package let descriptor: Descriptor

    package struct Arrived: Sendable {
        package let signal: Signal
        /// Who sent it, where that is a process.
        package let senderPID: Int32
        package let senderUID: UInt32
    }

    package init(_ signals: [Signal]) throws(Errno) {
        try Signal.block(signals)
        var set = Signal.set(signals)
        // SAFETY: the set is read during the call only.
        descriptor = try Call.descriptor { unsafe signalfd(-1, &set, SFD_CLOEXEC_NONBLOCK) }
    }

    /// The next signal; nil when none is waiting.
    package borrowing func next() throws(Errno) -> Arrived? {
        var info = signalfd_siginfo()
        let raw = descriptor.raw
        do throws(Errno) {
            // SAFETY: the kernel writes one whole structure of the given size or nothing.
            try Call.check { unsafe read(raw, &info, MemoryLayout<signalfd_siginfo>.size) }
        } catch .again {
            return nil
        }
        return Arrived(
            signal: Signal(number: Int32(info.ssi_signo)), senderPID: Int32(info.ssi_pid),
            senderUID: info.ssi_uid)
    }
}

private let SFD_CLOEXEC_NONBLOCK = O_CLOEXEC | O_NONBLOCK

/// A timer of the monotonic clock.
package struct TimerFD: ~Copyable, Sendable {
    package let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = try Call.descriptor {
            timerfd_create(CLOCK_MONOTONIC, O_CLOEXEC | O_NONBLOCK)
        }
    }

    /// Fires once at a time of `Clock.monotonicNanoseconds`; nil disarms.
    package borrowing func set(at nanoseconds: UInt64?) throws(Errno) {
        var value = itimerspec()
        // 0 would disarm; a time long past fires at once.
        if let nanoseconds { value.it_value = timespec(nanoseconds: max(nanoseconds, 1)) }
        let raw = descriptor.raw
        // SAFETY: the value is read during the call only.
        try Call.check { unsafe timerfd_settime(raw, TFD_TIMER_ABSTIME, &value, nil) }
    }

    /// Whether it fired since the last call.
    package borrowing func drain() throws(Errno) -> Bool {
        try Counter.drain(descriptor) > 0
    }
}

private let TFD_TIMER_ABSTIME: Int32 = 1

/// A counter that wakes whoever waits for it to be readable.
package struct EventFD: ~Copyable, Sendable {
    package let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = try Call.descriptor { eventfd(0, O_CLOEXEC | O_NONBLOCK) }
    }

    /// Wakes. From any thread.
    package borrowing func signal() throws(Errno) {
        var one: UInt64 = 1
        let raw = descriptor.raw
        do throws(Errno) {
            // SAFETY: eight bytes of a local value are read.
            try Call.check { unsafe write(raw, &one, 8) }
        } catch .again {
            // Full means that whoever waits is awake already.
        }
    }

    /// What was signalled since the last call.
    @discardableResult
    package borrowing func drain() throws(Errno) -> UInt64 {
        try Counter.drain(descriptor)
    }
}

private enum Counter {
    static func drain(_ descriptor: borrowing Descriptor) throws(Errno) -> UInt64 {
        var count: UInt64 = 0
        let raw = descriptor.raw
        do throws(Errno) {
            // SAFETY: the kernel writes eight bytes or none.
            try Call.check { unsafe read(raw, &count, 8) }
        } catch .again {
            return 0
        }
        return count
    }
}
