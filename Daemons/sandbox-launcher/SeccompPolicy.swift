// The system calls an instance may make, and those its witness may: `seccomp.policy`, compiled once
// with libseccomp into the kernel's instructions, which every instance then gets as they are.
//
// Keeps true: what the file does not name is refused with EPERM; a name this architecture does not
// have is skipped (the file is for all); a name libseccomp does not know, or a line without a
// reason, stops the launcher.

import CSeccomp
package import LaunchPlan
import Syscalls

package enum SeccompPolicy {
    package struct Entry: Equatable {
        package let name: String
        package let reason: String
    }

    /// Whose calls a part of the file lists.
    package enum Part: Sendable {
        case payload, witness

        /// The line the part begins after; the payload's is the file's beginning.
        fileprivate static let witnessHeading = "[witness]"
    }

    /// Namespace flags of clone: all would give capabilities over something new.
    private static let namespaceFlags: UInt64 = 0x7E02_0000
    /// Requests of ioctl that ask, or set flags of a descriptor; compared in the 32 bits the kernel
    /// looks at. FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, FIOASYNC, FIOQSIZE; TCGETS, TIOCGWINSZ,
    /// TIOCGPGRP, TIOCOUTQ (isatty asks them of anything); SIOCGIF… (interfaces), SIOCATMARK;
    /// FS_IOC_GETFLAGS, FS_IOC_FIEMAP, FICLONE, FICLONERANGE.
    private static let requests: [UInt64] = [
        0x541B, 0x5421, 0x5451, 0x5450, 0x5452, 0x5460, 0x5401, 0x5413, 0x540F, 0x5411, 0x8910,
        0x8912, 0x8913, 0x8915, 0x8919, 0x891B, 0x8921, 0x8927, 0x8933, 0x8905, 0x8008_6601,
        0xC020_660B, 0x4004_9409, 0x4020_940D,
    ]
    /// What a terminal of one's own is asked beside: TCSETS, TCSETSW, TCSETSF, TCSBRK, TCXONC, TCFLSH,
    /// TIOCSCTTY, TIOCSPGRP, TIOCSWINSZ, TIOCNOTTY, TCSBRKP, TIOCGSID, TIOCGPTPEER; TIOCGPTN,
    /// TIOCSPTLCK. Not TIOCSTI: to type for others has no use here.
    private static let terminalRequests: [UInt64] = [
        0x5402, 0x5403, 0x5404, 0x5409, 0x540A, 0x540B, 0x540E, 0x5410, 0x5414, 0x5422, 0x5425,
        0x5429, 0x5441, 0x8004_5430, 0x4004_5431,
    ]
    /// AF_ALG, AF_PACKET, AF_NETLINK (but route), AF_VSOCK and all others are refused: a service has
    /// TCP, UDP and its own Unix sockets.
    private static let families: [UInt64] = [1, 2, 10]

    /// The file, as it was built in.
    package static var file: [UInt8] { PackageResources.seccomp_policy }

    /// - Parameter hasTerminals: the instance has some of its own, and may set them.
    package static func compile(
        _ part: Part, hasTerminals: Bool = false
    ) throws(LaunchFailure) -> [UInt8] {
        let entries = try entries(file, of: part)
        // SCMP_ACT_ERRNO(EPERM)
        let refuse: UInt32 = 0x0005_0000 | 1
        guard let context = unsafe seccomp_init(refuse) else {
            throw LaunchFailure(step: "seccomp", code: Errno.noMemory.code)
        }
        // SAFETY: the context lives until the release at the end, and only this function has it.
        defer { unsafe seccomp_release(context) }
        // Numbers are found by halving: the kernel follows each of them through the filter when it is
        // installed, which is part of every start (measured: 110 µs; 260 one after the other).
        // SAFETY: as above.
        _ = unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        for entry in entries {
            // SAFETY: the name is a terminated string for the length of the call.
            let number = unsafe seccomp_syscall_resolve_name(entry.name)
            guard number != -1 else {
                throw LaunchFailure(step: "seccomp \(entry.name)", code: Errno.noSystemCall.code)
            }
            // Negative: known, but not on this architecture.
            guard number >= 0 else { continue }
            try unsafe allow(context, entry.name, number)
            guard hasTerminals, entry.name == "ioctl" else { continue }
            for request in terminalRequests {
                try unsafe rule(context, entry.name, number, [.equal(1, request)])
            }
        }
        if part == .payload { try unsafe answerNoSystemCall(context, "clone3") }
        return try unsafe export(context)
    }

    /// `name   # reason`, one a line; empty lines and lines of comment only are skipped.
    package static func entries(
        _ file: [UInt8], of wanted: Part
    ) throws(LaunchFailure) -> [Entry] {
        var entries: [Entry] = []
        var part = Part.payload
        for line in String(decoding: file, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0].filter { $0 != " " && $0 != "\t" })
            if name == Part.witnessHeading { part = .witness }
            if name.isEmpty || name == Part.witnessHeading || part != wanted { continue }
            let reason = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
            guard !reason.isEmpty else {
                throw LaunchFailure(step: "seccomp \(name): no reason", code: Errno.invalid.code)
            }
            entries.append(Entry(name: name, reason: reason))
        }
        return entries
    }

    /// Allows a call, with conditions on the arguments of those that could reach further.
    ///
    /// SAFETY (here and below): the context is `compile`'s, which outlives the call.
    private static func allow(
        _ context: scmp_filter_ctx, _ name: String, _ number: Int32
    ) throws(LaunchFailure) {
        switch name {
        case "clone":
            try unsafe rule(context, name, number, [.maskedEqual(0, namespaceFlags, 0)])
        case "ioctl":
            for request in requests {
                try unsafe rule(context, name, number, [.equal(1, request)])
            }
        case "socket", "socketpair":
            for family in families {
                try unsafe rule(context, name, number, [.equal(0, family)])
            }
            // NETLINK_ROUTE, which getifaddrs asks; it cannot change what it has no right to.
            try unsafe rule(context, name, number, [.equal(0, 16), .equal(2, 0)])
        case "personality":
            // Linux, and the query.
            for value: UInt64 in [0, 0xFFFF_FFFF] {
                try unsafe rule(context, name, number, [.equal(0, value)])
            }
        default:
            try unsafe rule(context, name, number, [])
        }
    }

    private static func rule(
        _ context: scmp_filter_ctx, _ name: String, _ number: Int32, _ conditions: [Condition]
    ) throws(LaunchFailure) {
        let allow: UInt32 = 0x7FFF_0000
        let comparisons = conditions.map(\.comparison)
        // SAFETY: the comparisons are read during the call, as many as are there.
        let done = unsafe seccomp_rule_add_array(
            context, allow, number, UInt32(comparisons.count), comparisons)
        if done != 0 { throw LaunchFailure(step: "seccomp \(name)", code: -done) }
    }

    /// Programs then take the older call, whose flags a filter can read.
    private static func answerNoSystemCall(
        _ context: scmp_filter_ctx, _ name: String
    ) throws(LaunchFailure) {
        // SAFETY: as above.
        let number = unsafe seccomp_syscall_resolve_name(name)
        let noSystemCall: UInt32 = 0x0005_0000 | 38
        let done = unsafe seccomp_rule_add_array(context, noSystemCall, number, 0, nil)
        if done != 0 { throw LaunchFailure(step: "seccomp \(name)", code: -done) }
    }

    private static func export(_ context: scmp_filter_ctx) throws(LaunchFailure) -> [UInt8] {
        try step("seccomp export") { () throws(Errno) in
            let file = try Memfd.make(name: "seccomp")
            // SAFETY: libseccomp writes to the descriptor, which is open.
            let done = unsafe seccomp_export_bpf(context, file.raw)
            if done != 0 { throw Errno(code: -done) }
            try File.seek(file, to: 0)
            return try File.readAll(file, limit: 65_535 * 8)
        }
    }

    private enum Condition {
        /// In the low 32 bits, which is all the kernel looks at in these arguments.
        case equal(UInt32, UInt64)
        case maskedEqual(UInt32, UInt64, UInt64)

        var comparison: scmp_arg_cmp {
            switch self {
            case .equal(let argument, let value):
                scmp_arg_cmp(
                    arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: 0xFFFF_FFFF,
                    datum_b: value)
            case .maskedEqual(let argument, let mask, let value):
                scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
            }
        }
    }
}
