// Namespaces: processes made in new ones, and what a process changes about those it is in. Only for
// programs with a single thread; a child made here goes on with the caller's memory.

import CShim
import Glibc

package enum Namespaces {
    package struct Kinds: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }

        package static let user = Kinds(rawValue: 0x1000_0000)
        package static let mount = Kinds(rawValue: 0x0002_0000)
        package static let pid = Kinds(rawValue: 0x2000_0000)
        package static let network = Kinds(rawValue: 0x4000_0000)
        package static let ipc = Kinds(rawValue: 0x0800_0000)
        package static let hostName = Kinds(rawValue: 0x0400_0000)
        package static let cgroup = Kinds(rawValue: 0x0200_0000)
        package static let time = Kinds(rawValue: 0x0000_0080)
    }

    package enum Side: ~Copyable, Sendable {
        case child
        /// The child's pid here, and the child.
        case parent(pid: Int32, Descriptor)
    }

    /// Makes a child that goes on from here with a copy of all memory and descriptors.
    ///
    /// - Parameter cgroup: the cgroup v2 directory it is born in.
    package static func clone(
        into kinds: Kinds, cgroup: borrowing OptionalDescriptor = .none
    ) throws(Errno) -> Side {
        var raw: Int32 = -1
        let group = cgroup.raw
        // SAFETY: the kernel writes one number, in the parent's memory only.
        let pid = try Call.once { unsafe celaut_clone(kinds.rawValue, group, &raw) }
        if pid == 0 { return .child }
        return .parent(pid: pid, Descriptor(adopting: raw))
    }

    /// Moves this process (its children, for `.time` and `.pid`) into new namespaces.
    package static func unshare(_ kinds: Kinds) throws(Errno) {
        try Call.check { celaut_unshare(Int32(truncatingIfNeeded: kinds.rawValue)) }
    }

    /// Moves this thread into the network namespace behind a descriptor.
    package static func enterNetwork(_ namespace: borrowing Descriptor) throws(Errno) {
        try Process.enter(namespace: namespace, kind: Int32(Kinds.network.rawValue))
    }

    package static func setHostName(_ name: String) throws(Errno) {
        // SAFETY: the kernel reads as many bytes as the text has, during the call.
        try Call.check { unsafe name.withCString { unsafe celaut_set_host_name($0, strlen($0)) } }
    }

    package static func setDomainName(_ name: String) throws(Errno) {
        // SAFETY: as above.
        try Call.check {
            unsafe name.withCString { unsafe celaut_set_domain_name($0, strlen($0)) }
        }
    }

    /// Brings up the loopback of the network namespace this process is in.
    package static func bringLoopbackUp() throws(Errno) {
        try Call.check { celaut_loopback_up() }
    }

    /// Makes a whole network of addresses the loopback's own, beside 127.0.0.0/8.
    ///
    /// - Parameter prefixLength: 1 to 32.
    package static func addToLoopback(_ address: UInt32, prefixLength: UInt32) throws(Errno) {
        let mask = UInt32.max << (32 - prefixLength)
        try Call.check { celaut_loopback_add(address, mask) }
    }
}

/// A descriptor or none, without giving up who owns it.
package enum OptionalDescriptor: ~Copyable, Sendable {
    case none
    case some(Descriptor)

    var raw: Int32 {
        switch self {
        case .none: -1
        case .some(let descriptor): descriptor.raw
        }
    }
}
