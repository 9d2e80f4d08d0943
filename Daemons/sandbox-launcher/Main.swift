// sandbox-launcher makes instances. It is started by sandbox-supervisor, once, with one socket as
// descriptor 3, has one thread, and ends when the socket does.
//
// Takes: LaunchPlan packets. Gives: for each a LaunchOutcome, `.launched` with the witness's pidfd
// or `.failed`. Refuses a packet that is not a plan with exactly its descriptors.

import LaunchPlan
import Syscalls

@main
enum Main {
    /// The number of the socket to the supervisor.
    private static let socketNumber: Int32 = 3

    static func main() {
        let socket = Descriptor(adopting: socketNumber)
        do throws(LaunchFailure) {
            try step("dumpable") { () throws(Errno) in try Process.setDumpable(false) }
            // Modes are what they say: nothing here is the launcher's own.
            _ = Process.setUmask(0)
            // The witnesses are reaped by the kernel: the supervisor watches their pidfds.
            Confinement.ignoreChildren()
            let loopControl = try step("open /dev/loop-control") { () throws(Errno) in
                try File.open("/dev/loop-control", .readWrite)
            }
            var launcher = Launcher(
                socket: socket, loopControl: loopControl, filters: try Filters())
            try launcher.serve()
        } catch {
            Confinement.complain("sandbox-launcher: \(error.step): \(Errno(code: error.code))\n")
            Process.exit(1)
        }
    }
}

/// Makes a call of a named step, so that its failure says where.
func step<Value: ~Copyable>(
    _ name: String, _ body: () throws(Errno) -> Value
) throws(LaunchFailure) -> Value {
    do throws(Errno) {
        return try body()
    } catch {
        throw LaunchFailure(step: name, code: error.code)
    }
}
