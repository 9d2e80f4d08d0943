// The first process of an instance: never exec'd, outside the instance's limits, of an id no process
// of the instance has. It waits for its instance, builds it, then keeps its output, passes TERM on, reaps, and
// writes down how it ended. It needs nobody else to live: launcher and supervisor may die.
//
// When it ends, so does the pid namespace, and with it every process in it.

import LaunchPlan
import Syscalls

enum Witness {
    /// Runs in the child of the launcher and does not return: prepares, waits for an order, and sees an
    /// instance through.
    static func run(
        socket: borrowing Descriptor, loopControl: borrowing Descriptor, filters: Filters
    ) -> LaunchFailure {
        let code: Int32
        do throws(LaunchFailure) {
            // The launcher's own socket above all is let go: it must close with it.
            let shell = try Shell(keeping: [socket.raw, loopControl.raw].sorted())
            try step("confine witness") { () throws(Errno) in
                try Confinement.lockCapabilities()
            }
            code = attend(LaunchOrder(from: socket), shell, loopControl, filters)
        } catch {
            code = refuse(LaunchOrder(from: socket), error)
        }
        Confinement.exit(code)
    }

    /// - Parameter order: nil when the launcher is gone before it gave one.
    /// - Returns: the exit code.
    private static func attend(
        _ order: LaunchOrder?, _ shell: borrowing Shell, _ loopControl: borrowing Descriptor,
        _ filters: Filters
    ) -> Int32 {
        guard let order else { return 0 }
        let parcel = order.parcel
        guard let directory = parcel.take(LaunchPlan.Place.directory.rawValue),
            let report = parcel.take(LaunchPlan.Place.report.rawValue)
        else { return 1 }
        do throws(LaunchFailure) {
            let plan = try read(order)
            var watch = try Construction(plan: plan, filter: filters.payload(plan)).build(
                parcel: parcel, layer: order.layer, shell: shell, loopControl: loopControl,
                directory: directory)
            let listeners = try listen(plan)
            try confine(plan)
            if let failure = try watch.begin() { throw failure }
            try shut(directory, filters)
            parcel.close()
            _ = try? SeqpacketSocket.send(
                report, LaunchOutcome.started.encoded(),
                descriptors: plan.listeners.isEmpty ? nil : listeners)
            listeners.close()
            try watch.keepOnly(directory, report)
            let end = watch.observe()
            record(.ended(end), directory)
            // Here: most descriptors are closed behind their owners' backs.
            Confinement.exit(0)
        } catch {
            return fail(error, directory, report)
        }
    }

    private static func refuse(_ order: LaunchOrder?, _ failure: LaunchFailure) -> Int32 {
        guard let order else { return 0 }
        guard let directory = order.parcel.take(LaunchPlan.Place.directory.rawValue),
            let report = order.parcel.take(LaunchPlan.Place.report.rawValue)
        else { return 1 }
        return fail(failure, directory, report)
    }

    private static func fail(
        _ failure: LaunchFailure, _ directory: borrowing Descriptor,
        _ report: borrowing Descriptor
    ) -> Int32 {
        let outcome = LaunchOutcome.failed(failure)
        record(outcome, directory)
        _ = try? SeqpacketSocket.send(report, outcome.encoded())
        return 1
    }

    /// The launcher has read it already: it says what it must.
    private static func read(_ order: LaunchOrder) throws(LaunchFailure) -> LaunchPlan {
        do throws(LaunchViolation) {
            return try LaunchPlan(reading: order.plan)
        } catch {
            throw LaunchFailure(step: "plan \(error.field)", code: Errno.invalid.code)
        }
    }

    /// What the entrypoint's first instruction must find: its own network, which is this process's, has
    /// it from now on, whoever takes what comes there later.
    private static func listen(_ plan: LaunchPlan) throws(LaunchFailure) -> Parcel {
        try step("listen inside") { () throws(Errno) in
            let sockets = Parcel()
            for one in plan.listeners {
                let endpoint = IPv4Endpoint(address: one.address, port: one.port)
                if one.isDatagram {
                    let socket = try InternetSocket.make(kind: .datagram)
                    try InternetSocket.bind(socket, endpoint)
                    sockets.append(socket)
                } else {
                    sockets.append(try InternetSocket.listen(endpoint))
                }
            }
            return sockets
        }
    }

    /// Gives up all but the right to signal what is in its pid namespace.
    private static func confine(_ plan: LaunchPlan) throws(LaunchFailure) {
        try step("confine witness") { () throws(Errno) in
            try Confinement.become(uid: plan.witnessUID, gid: plan.witnessUID)
            try Confinement.limitCapabilities(to: [Confinement.capabilityKill])
            try Process.setNoNewPrivileges()
            try Process.setDumpable(false)
        }
    }

    /// From here on it can do what an end and some output need, and write in its directory alone.
    private static func shut(
        _ directory: borrowing Descriptor, _ filters: Filters
    ) throws(LaunchFailure) {
        try step("shut witness") { () throws(Errno) in
            try Landlock.confine(toWriting: directory)
            try Confinement.filter(filters.witness)
        }
    }

    /// The outcome is on the disk, whole, before it has its name. Its name may be lost with the
    /// machine's power, and the supervisor then says that the machine went down. A disk that refuses
    /// loses it, too.
    private static func record(_ outcome: LaunchOutcome, _ directory: borrowing Descriptor) {
        _ = try? write(outcome.encoded(), as: InstanceFiles.ended, directory)
    }

    static func write(
        _ bytes: some Sequence<UInt8>, as name: String, _ directory: borrowing Descriptor
    ) throws(Errno) {
        let temporary = name + ".new"
        let file = try File.open(at: directory, temporary, .writeOnly, [.create, .truncate])
        try File.writeAll(file, [UInt8](bytes))
        if name == InstanceFiles.ended { try File.sync(file) }
        try File.rename(at: directory, temporary, to: directory, name)
    }
}
