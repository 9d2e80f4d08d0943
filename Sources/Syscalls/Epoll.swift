// An epoll instance. Level-triggered; the token given with a descriptor comes back with its events.

import CShim
import Glibc

package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Interest(rawValue: EPOLLIN.rawValue)
    package static let writable = Interest(rawValue: EPOLLOUT.rawValue)
    /// The peer will send no more.
    package static let peerClosed = Interest(rawValue: EPOLLRDHUP.rawValue)
    package static let priority = Interest(rawValue: EPOLLPRI.rawValue)
    package static let edgeTriggered = Interest(rawValue: 1 << 31)
    package static let exclusive = Interest(rawValue: 1 << 28)
}

package struct Ready: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Ready(rawValue: EPOLLIN.rawValue)
    package static let writable = Ready(rawValue: EPOLLOUT.rawValue)
    package static let peerClosed = Ready(rawValue: EPOLLRDHUP.rawValue)
    package static let priority = Ready(rawValue: EPOLLPRI.rawValue)
    /// Reported whether asked for or not.
    package static let error = Ready(rawValue: EPOLLERR.rawValue)
    /// Both directions are closed. Reported whether asked for or not.
    package static let hangUp = Ready(rawValue: EPOLLHUP.rawValue)
}

package struct EpollEvent: Sendable {
    package var token: UInt64
    package var ready: Ready
}

package final class Epoll: Sendable {
    // LIMIT: 64 events are taken per wait; the rest come with the next one, nothing is lost.
    package static let eventsMax = 64

    private let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = try Call.descriptor { epoll_create1(O_CLOEXEC) }
    }

    package func add(_ raw: Int32, _ interest: Interest, token: UInt64) throws(Errno) {
        try control(EPOLL_CTL_ADD, raw, interest, token)
    }

    package func modify(_ raw: Int32, _ interest: Interest, token: UInt64) throws(Errno) {
        try control(EPOLL_CTL_MOD, raw, interest, token)
    }

    package func remove(_ raw: Int32) throws(Errno) {
        try control(EPOLL_CTL_DEL, raw, [], 0)
    }

    /// Waits for events and gives them one by one.
    ///
    /// - Parameter timeoutNanoseconds: nil waits for ever, 0 not at all.
    /// - Returns: how many events there were; 0 after the time-out or a signal.
    package func wait(
        timeoutNanoseconds: UInt64?, _ each: (EpollEvent) -> Void
    ) throws(Errno) -> Int {
        // SAFETY: the kernel writes at most `eventsMax` events into memory reserved for as many,
        // which are copied before the closure is called.
        try unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Epoll.eventsMax) {
            events throws(Errno) -> Int in
            let count = unsafe poll(events.baseAddress, timeoutNanoseconds)
            if count == -1 {
                if errno == EINTR { return 0 }
                throw Call.failure(errno)
            }
            for index in 0..<Int(count) {
                let event = unsafe events[index]
                each(unsafe EpollEvent(token: event.data.u64, ready: Ready(rawValue: event.events)))
            }
            return Int(count)
        }
    }

    private func poll(
        _ events: UnsafeMutablePointer<epoll_event>?, _ timeoutNanoseconds: UInt64?
    ) -> Int32 {
        let limit = Int32(Epoll.eventsMax)
        switch timeoutNanoseconds {
        case nil:
            // SAFETY: `events` has room for `limit` events, as the caller reserved.
            return unsafe epoll_wait(descriptor.raw, events, limit, -1)
        case 0:
            // SAFETY: as above.
            return unsafe epoll_wait(descriptor.raw, events, limit, 0)
        case let nanoseconds?:
            var timeout = timespec(nanoseconds: nanoseconds)
            // SAFETY: as above; the time is read during the call only.
            return unsafe epoll_pwait2(descriptor.raw, events, limit, &timeout, nil)
        }
    }

    private func control(
        _ operation: Int32, _ raw: Int32, _ interest: Interest, _ token: UInt64
    ) throws(Errno) {
        // SAFETY: the union is written through the member it is read by.
        var event = unsafe epoll_event(
            events: interest.rawValue, data: epoll_data_t(u64: token))
        // SAFETY: the kernel reads the local event during the call only.
        try Call.check { unsafe epoll_ctl(descriptor.raw, operation, raw, &event) }
    }
}
