// The policy file: each entry has a reason and is known, and what must not be there is not.

import LaunchPlan
import Testing
import sandbox_launcher

@Suite struct SeccompPolicyTests {
    @Test(arguments: [(SeccompPolicy.Part.payload, 200...400), (.witness, 20...40)])
    func everyEntryHasAReasonAndAppearsOnce(
        _ part: SeccompPolicy.Part, _ count: ClosedRange<Int>
    ) throws {
        let entries = try SeccompPolicy.entries(SeccompPolicy.file, of: part)
        #expect(count.contains(entries.count))
        #expect(Set(entries.map(\.name)).count == entries.count)
        #expect(entries.allSatisfy { $0.reason.count > 10 })
    }

    @Test func aLineWithoutAReasonIsRefused() {
        for text in ["read", "read #", "read #   ", "# fine\nwrite"] {
            #expect(throws: LaunchFailure.self) {
                try SeccompPolicy.entries(Array(text.utf8), of: .payload)
            }
        }
    }

    @Test(arguments: [SeccompPolicy.Part.payload, .witness])
    func whatIsAWayOutIsNotAllowed(_ part: SeccompPolicy.Part) throws {
        let allowed = Set(try SeccompPolicy.entries(SeccompPolicy.file, of: part).map(\.name))
        for name in [
            "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr",
            "pivot_root", "chroot", "unshare", "setns", "clone3", "ptrace", "process_vm_readv",
            "process_vm_writev", "kcmp", "pidfd_getfd", "bpf", "perf_event_open", "userfaultfd",
            "io_uring_setup", "keyctl", "add_key", "request_key", "open_by_handle_at",
            "init_module", "finit_module", "kexec_load", "reboot", "swapon", "settimeofday",
            "clock_settime", "syslog", "sethostname", "quotactl", "iopl", "ioperm", "acct",
        ] {
            #expect(!allowed.contains(name), "\(name)")
        }
    }

    @Test func aWitnessMakesNoProcessAndNoSocket() throws {
        let allowed = Set(
            try SeccompPolicy.entries(SeccompPolicy.file, of: .witness).map(\.name))
        for name in ["clone", "fork", "vfork", "execve", "execveat", "socket", "connect", "ioctl"] {
            #expect(!allowed.contains(name), "\(name)")
        }
    }

    @Test(arguments: [SeccompPolicy.Part.payload, .witness])
    func thePolicyCompilesToAFilterTheKernelTakes(_ part: SeccompPolicy.Part) throws {
        let program = try SeccompPolicy.compile(part)
        #expect(program.count % 8 == 0)
        // BPF_MAXINSNS
        #expect((1...4_096).contains(program.count / 8))
    }
}
