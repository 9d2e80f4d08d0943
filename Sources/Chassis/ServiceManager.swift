// Telling whoever started the daemon how it is (sd_notify), and keeping descriptors there while it
// is not. Without a service manager all of this does nothing.

import CSystemd
package import Syscalls

package struct ServiceManager: Sendable {
    package init() {}

    /// One line for people: what the daemon is doing.
    package func status(_ text: String) {
        tell("STATUS=" + text.filter { $0 != "\n" })
    }

    func ready(_ text: String) { tell("READY=1\nSTATUS=\(text)\nMAINPID=\(Process.pid)") }

    func stopping(_ text: String) { tell("STOPPING=1\nSTATUS=\(text)") }

    func reloading() {
        tell("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonicNanoseconds() / 1_000)")
    }

    func alive() { tell("WATCHDOG=1") }

    /// How often `alive` must be said; nil when nobody listens for it.
    static func watchdogInterval() -> Duration? {
        var microseconds: UInt64 = 0
        // SAFETY: one local value is filled.
        let watched = unsafe sd_watchdog_enabled(0, &microseconds)
        guard watched > 0, microseconds > 0 else { return nil }
        return .microseconds(microseconds)
    }

    /// How many descriptors it keeps; 0 when there is nobody to keep any. systemd says so itself from
    /// version 254 on, before that the unit does, beside its `FileDescriptorStoreMax=`.
    package var descriptorsMax: Int {
        Process.environment("FDSTORE").flatMap { Int($0) } ?? 0
    }

    /// Keeps descriptors beyond this process; they come back under their name at the next start. Waits
    /// while the service manager is busy.
    ///
    /// - Parameter name: of ASCII letters, digits and dashes, at most 255 bytes.
    /// - Returns: false when there is nobody to keep them.
    @discardableResult
    package func keep(_ descriptors: [SharedDescriptor], name: String) -> Bool {
        let numbers = descriptors.map(\.raw)
        let state = "FDSTORE=1\nFDNAME=\(name)"
        return withExtendedLifetime(descriptors) {
            // SAFETY: the state and so many numbers are read during the call; the descriptors are open
            // for as long.
            unsafe sd_pid_notify_with_fds(0, 0, state, numbers, UInt32(numbers.count)) > 0
        }
    }

    /// Lets go of all kept descriptors of a name.
    package func forget(name: String) { tell("FDSTOREREMOVE=1\nFDNAME=\(name)") }

    private func tell(_ state: String) {
        // A service manager that does not listen is not ours to mend; it will notice by itself.
        // SAFETY: the state is a terminated string for the length of the call.
        _ = unsafe sd_notify(0, state)
    }
}
