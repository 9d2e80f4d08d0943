import LaunchPlan

/// The compiled filters of system calls, the same for all instances.
struct Filters {
    let payload: [UInt8]
    let witness: [UInt8]

    init() throws(LaunchFailure) {
        payload = try SeccompPolicy.compile(.payload)
        witness = try SeccompPolicy.compile(.witness)
    }
}
