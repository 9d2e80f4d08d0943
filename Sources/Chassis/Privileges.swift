// What a daemon may do beyond any user, and forgetting the rest. A daemon that declares nothing
// refuses to run with anything: extra privileges are a mistake of whoever started it, and the place
// to mend it is there.

import CCap
import Syscalls

/// A capability of the kernel (capabilities(7)).
package struct Capability: Hashable, Sendable {
    package let number: Int32
    /// "cap_sys_admin".
    package let name: String

    private init(_ number: Int32, _ name: String) {
        self.number = number
        self.name = name
    }

    package static let changeOwner = Capability(CAP_CHOWN, "cap_chown")
    package static let overrideAccess = Capability(CAP_DAC_OVERRIDE, "cap_dac_override")
    package static let searchAnywhere = Capability(CAP_DAC_READ_SEARCH, "cap_dac_read_search")
    package static let actAsOwner = Capability(CAP_FOWNER, "cap_fowner")
    package static let keepSetID = Capability(CAP_FSETID, "cap_fsetid")
    package static let kill = Capability(CAP_KILL, "cap_kill")
    package static let setGID = Capability(CAP_SETGID, "cap_setgid")
    package static let setUID = Capability(CAP_SETUID, "cap_setuid")
    package static let setPrivileges = Capability(CAP_SETPCAP, "cap_setpcap")
    package static let networkAdmin = Capability(CAP_NET_ADMIN, "cap_net_admin")
    package static let networkBind = Capability(CAP_NET_BIND_SERVICE, "cap_net_bind_service")
    package static let chroot = Capability(CAP_SYS_CHROOT, "cap_sys_chroot")
    package static let trace = Capability(CAP_SYS_PTRACE, "cap_sys_ptrace")
    package static let systemAdmin = Capability(CAP_SYS_ADMIN, "cap_sys_admin")
    package static let resource = Capability(CAP_SYS_RESOURCE, "cap_sys_resource")
    package static let makeDevice = Capability(CAP_MKNOD, "cap_mknod")
    package static let setFileCapabilities = Capability(CAP_SETFCAP, "cap_setfcap")
    package static let auditWrite = Capability(CAP_AUDIT_WRITE, "cap_audit_write")

    /// Any by number, for what has no name here.
    static func numbered(_ number: Int32) -> Capability {
        // SAFETY: libcap gives an allocated string, which is copied and freed.
        guard let text = unsafe cap_to_name(number) else {
            return Capability(number, "cap_\(number)")
        }
        defer { unsafe cap_free(text) }
        return Capability(number, unsafe String(cString: text))
    }
}

/// What a process holds.
package struct HeldPrivileges: Equatable, Sendable {
    package var isRoot: Bool
    package var permitted: Set<Capability>
    package var inheritable: Set<Capability>
    package var ambient: Set<Capability>

    package init(
        isRoot: Bool, permitted: Set<Capability> = [], inheritable: Set<Capability> = [],
        ambient: Set<Capability> = []
    ) {
        self.isRoot = isRoot
        self.permitted = permitted
        self.inheritable = inheritable
        self.ambient = ambient
    }

    /// Why a daemon that declares `declared` must not run with this; nil when it may.
    package func refusal(declared: Set<Capability>) -> String? {
        if declared.isEmpty {
            if isRoot { return "it runs as root and needs no privileges: start it as its own user" }
            let extra = permitted.union(inheritable).union(ambient)
            guard !extra.isEmpty else { return nil }
            return "it holds \(Self.list(extra)) and declares none: start it without"
        }
        let missing = declared.subtracting(permitted)
        guard !missing.isEmpty else { return nil }
        return "it needs \(Self.list(missing)), which it was not given"
    }

    static func list(_ capabilities: Set<Capability>) -> String {
        capabilities.map(\.name).sorted().joined(separator: ", ")
    }
}

enum Privileges {
    static func held() throws(DaemonFailure) -> HeldPrivileges {
        // SAFETY: libcap gives an allocated value, freed below; its flags are read only.
        guard let all = unsafe cap_get_proc() else {
            throw DaemonFailure(.system, "capabilities cannot be read")
        }
        defer { unsafe cap_free(UnsafeMutableRawPointer(all)) }
        var held = HeldPrivileges(isRoot: Process.effectiveUID == 0)
        for number in 0..<cap_max_bits() {
            let capability = Capability.numbered(number)
            var flag = CAP_CLEAR
            if unsafe cap_get_flag(all, number, CAP_PERMITTED, &flag) == 0, flag == CAP_SET {
                held.permitted.insert(capability)
            }
            if unsafe cap_get_flag(all, number, CAP_INHERITABLE, &flag) == 0, flag == CAP_SET {
                held.inheritable.insert(capability)
            }
            if cap_get_ambient(number) == 1 { held.ambient.insert(capability) }
        }
        return held
    }

    /// Keeps the declared capabilities and gives up all others, in every set, for good.
    static func forget(keeping declared: Set<Capability>) throws(DaemonFailure) {
        if let refusal = try held().refusal(declared: declared) {
            throw DaemonFailure(.privileges, refusal)
        }
        do throws(Errno) {
            try Process.setNoNewPrivileges()
            try Process.setDumpable(false)
            try Process.limit(.coreBytes, set: .init(soft: 0, hard: 0))
        } catch {
            throw DaemonFailure(.system, "privileges cannot be given up: \(error)")
        }
        if declared.isEmpty { return }
        if cap_reset_ambient() != 0 { throw failed("ambient") }
        for number in 0..<cap_max_bits() where !declared.contains(.numbered(number)) {
            if cap_get_bound(number) == 1, cap_drop_bound(number) != 0 { throw failed("bounding") }
        }
        // SAFETY: libcap gives an allocated value, freed below; the list outlives the calls.
        guard let kept = unsafe cap_init() else { throw failed("kept") }
        defer { unsafe cap_free(UnsafeMutableRawPointer(kept)) }
        let numbers = declared.map { cap_value_t($0.number) }
        let count = Int32(numbers.count)
        guard unsafe cap_set_flag(kept, CAP_PERMITTED, count, numbers, CAP_SET) == 0,
            unsafe cap_set_flag(kept, CAP_EFFECTIVE, count, numbers, CAP_SET) == 0,
            unsafe cap_set_proc(kept) == 0
        else { throw failed("permitted") }
    }

    private static func failed(_ set: String) -> DaemonFailure {
        DaemonFailure(.privileges, "the \(set) capabilities cannot be given up")
    }
}
