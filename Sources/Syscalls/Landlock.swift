// What a process and its descendants take from themselves with Landlock, beside what their ids, their
// namespaces and their filter leave them. Each version of the kernel's interface takes what it knows.

import CShim
import Glibc

package enum Landlock {
    /// Rights of files that can be taken away, as the kernel numbers them.
    package struct Rights: OptionSet, Sendable {
        package let rawValue: UInt64

        package init(rawValue: UInt64) { self.rawValue = rawValue }

        package static let writeFile = Rights(rawValue: 1 << 1)
        package static let removeFile = Rights(rawValue: 1 << 5)
        package static let makeFile = Rights(rawValue: 1 << 8)
        /// All that the first version knows.
        package static let first = Rights(rawValue: (1 << 13) - 1)
        package static let makeCharacterDevice = Rights(rawValue: 1 << 6)
        package static let makeBlockDevice = Rights(rawValue: 1 << 11)
        /// Linking and renaming from one directory to another: lost unless it is allowed.
        package static let refer = Rights(rawValue: 1 << 13)
        package static let truncate = Rights(rawValue: 1 << 14)
        /// Requests to devices; those that every file answers are never refused.
        package static let controlDevice = Rights(rawValue: 1 << 15)
    }

    /// What of the outside is out of reach: processes and sockets that are not the caller's own or
    /// its descendants'.
    private struct Scopes: OptionSet {
        let rawValue: UInt64

        static let abstractSockets = Scopes(rawValue: 1 << 0)
        static let signals = Scopes(rawValue: 1 << 1)
    }

    /// Since which version of the interface something is known.
    private enum Since {
        static let refer: Int32 = 2
        static let truncate: Int32 = 3
        static let network: Int32 = 4
        static let controlDevice: Int32 = 5
        static let scopes: Int32 = 6
    }

    /// The version of the kernel's interface; 0 where there is none, or it is switched off.
    package static var version: Int32 {
        (try? Call.check { celaut_landlock_version() }) ?? 0
    }

    /// Takes from this thread, its descendants and what they execute: making devices, requests to
    /// devices, and, beyond themselves, signals and abstract Unix sockets. `no_new_privs` is set
    /// before.
    ///
    /// Below version 2 nothing is taken: the first one takes moving between directories with it, and
    /// cannot give it back.
    ///
    /// - Parameters:
    ///   - root: below it names may be moved as before.
    ///   - terminals: the instance's own; requests to those are left.
    package static func confine(
        root: borrowing Descriptor, terminals: borrowing Descriptor?
    ) throws(Errno) {
        let version = version
        guard version >= Since.refer else { return }
        var rights: Rights = [.makeCharacterDevice, .makeBlockDevice, .refer]
        if version >= Since.controlDevice { rights.insert(.controlDevice) }
        try restrict(
            version, rights, version >= Since.scopes ? [.abstractSockets, .signals] : [],
            allowing: .refer, below: root, requestsBelow: terminals)
    }

    /// Takes from this thread and its descendants everything that names a file, except to make, to
    /// write, to replace and to remove plain files in one directory; and abstract Unix sockets. What is
    /// open stays. `no_new_privs` is set before.
    package static func confine(toWriting directory: borrowing Descriptor) throws(Errno) {
        let version = version
        guard version > 0 else { return }
        var rights: Rights = .first
        var kept: Rights = [.writeFile, .removeFile, .makeFile]
        if version >= Since.refer { rights.insert(.refer) }
        if version >= Since.truncate {
            rights.insert(.truncate)
            kept.insert(.truncate)
        }
        if version >= Since.controlDevice { rights.insert(.controlDevice) }
        try restrict(
            version, rights, version >= Since.scopes ? .abstractSockets : [], allowing: kept,
            below: directory, requestsBelow: nil)
    }

    private static func restrict(
        _ version: Int32, _ rights: Rights, _ scopes: Scopes, allowing kept: Rights,
        below directory: borrowing Descriptor, requestsBelow devices: borrowing Descriptor?
    ) throws(Errno) {
        let words = version >= Since.scopes ? 3 : version >= Since.network ? 2 : 1
        let ruleset = try Call.descriptor {
            celaut_landlock_ruleset(rights.rawValue, 0, scopes.rawValue, words * 8)
        }
        try Call.check { celaut_landlock_allow(ruleset.raw, kept.rawValue, directory.raw) }
        if rights.contains(.controlDevice) {
            switch devices {
            case .some(let devices):
                let request = Rights.controlDevice.rawValue
                try Call.check { celaut_landlock_allow(ruleset.raw, request, devices.raw) }
            case .none: break
            }
        }
        try Call.check { celaut_landlock_restrict(ruleset.raw) }
    }
}
