import LaunchPlan

/// The compiled filters of system calls, of which every instance gets one.
struct Filters {
    private let plain: [UInt8]
    private let terminals: [UInt8]
    let witness: [UInt8]

    init() throws(LaunchFailure) {
        plain = try SeccompPolicy.compile(.payload)
        terminals = try SeccompPolicy.compile(.payload, hasTerminals: true)
        witness = try SeccompPolicy.compile(.witness)
    }

    func payload(_ plan: LaunchPlan) -> [UInt8] { plan.hasTerminals ? terminals : plain }
}
