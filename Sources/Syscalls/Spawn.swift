// Starting another program. The child gets exactly the descriptors of the map, an environment that
// was given word by word, default signal handlers and an empty signal mask; between vfork and exec
// only the shim's C code runs.

import CShim
import Glibc

package struct SpawnPlan: ~Copyable {
    package var path: String
    /// The first is the program's name by custom.
    package var arguments: [String]
    /// NAME=value; nothing is inherited.
    package var environment: [String] = []
    package var directory: String?
    /// Which open descriptors of ours the child has, under which numbers.
    package var descriptors: [(source: Int32, target: Int32)] = []
    /// Both, or the parent's. Supplementary groups are dropped.
    package var user: (uid: UInt32, gid: UInt32)?
    package var newSession = false
    package var noNewPrivileges = false
    package var parentDeathSignal: Signal?
    package var umask: UInt32?
    package var coreBytesMax: UInt64?
    package var openFilesMax: UInt64?
    /// The child's own pid is written into a LISTEN_PID of `environment`, as sd_listen_fds asks.
    package var tellsListenPID = false

    package init(path: String, arguments: [String]) {
        self.path = path
        self.arguments = arguments
    }

    /// The child has this descriptor under that number. The owner must outlive the spawn.
    package mutating func give(_ descriptor: borrowing Descriptor, as target: Int32) {
        descriptors.append((descriptor.raw, target))
    }

    /// The child has one of our own standard streams.
    package mutating func give(standardStream source: Int32, as target: Int32) {
        precondition((0...2).contains(source), "the standard streams are 0 to 2")
        descriptors.append((source, target))
    }
}

/// Why a program was not started.
package struct SpawnFailure: Error, Sendable, CustomStringConvertible {
    /// "exec", "chdir", "setresuid" and so on.
    package let step: String
    package let errno: Errno

    package var description: String { "\(step): \(errno)" }
}

extension Process {
    /// Starts a program. The caller waits for it, by pid or by pidfd.
    package static func spawn(_ plan: borrowing SpawnPlan) throws(SpawnFailure) -> Int32 {
        var environment = plan.environment
        if plan.tellsListenPID {
            // Room for the ten digits of the largest pid.
            environment.removeAll { $0.hasPrefix("LISTEN_PID=") }
            environment.append("LISTEN_PID=0000000000")
        }
        let arguments = CStringArray(plan.arguments)
        let variables = CStringArray(environment)
        let sources = plan.descriptors.map(\.source)
        let targets = plan.descriptors.map(\.target)
        var step: UnsafePointer<CChar>?
        // SAFETY: all strings and arrays live until the call returns, which is after the child has
        // left this memory by exec or exit; the step's name is a static string of the shim.
        let pid = unsafe plan.path.withCString { path in
            unsafe withOptionalCString(plan.directory) { directory in
                unsafe sources.withUnsafeBufferPointer { sources in
                    unsafe targets.withUnsafeBufferPointer { targets in
                        var raw = unsafe celaut_spawn()
                        unsafe raw.path = path
                        unsafe raw.arguments = UnsafePointer(arguments.pointers)
                        unsafe raw.environment = UnsafePointer(variables.pointers)
                        unsafe raw.directory = directory
                        unsafe raw.sources = sources.baseAddress
                        unsafe raw.targets = targets.baseAddress
                        unsafe raw.count = sources.count
                        unsafe raw.uid = plan.user.map { Int64($0.uid) } ?? -1
                        unsafe raw.gid = plan.user.map { Int64($0.gid) } ?? -1
                        unsafe raw.new_session = plan.newSession ? 1 : 0
                        unsafe raw.no_new_privileges = plan.noNewPrivileges ? 1 : 0
                        unsafe raw.parent_death_signal = plan.parentDeathSignal?.number ?? 0
                        unsafe raw.umask = plan.umask.map(Int64.init) ?? -1
                        unsafe raw.core_limit = plan.coreBytesMax.map(Int64.init) ?? -1
                        unsafe raw.files_limit = plan.openFilesMax.map(Int64.init) ?? -1
                        unsafe raw.pid_variable = plan.tellsListenPID ? 1 : 0
                        return unsafe celaut_spawn(&raw, &step)
                    }
                }
            }
        }
        let code = errno
        withExtendedLifetime((arguments, variables)) {}
        if pid > 0 { return pid }
        let name = unsafe step.map { unsafe String(cString: $0) } ?? "spawn"
        throw SpawnFailure(step: name, errno: Call.failure(code))
    }
}

private func withOptionalCString<Value>(
    _ text: String?, _ body: (UnsafePointer<CChar>?) -> Value
) -> Value {
    // SAFETY: the pointer is used inside the closure only.
    guard let text else { return body(nil) }
    return unsafe text.withCString { unsafe body($0) }
}

/// A null-terminated array of C strings, freed with its owner.
@safe final class CStringArray {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        // SAFETY: one place per string and one for the end, all set before anyone reads.
        unsafe pointers = .allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() {
            unsafe (pointers + index).initialize(to: strdup(string))
        }
        unsafe (pointers + strings.count).initialize(to: nil)
    }

    deinit {
        // SAFETY: each string was made by strdup above and is freed once.
        for index in 0..<count { unsafe free(pointers[index]) }
        unsafe pointers.deallocate()
    }
}
