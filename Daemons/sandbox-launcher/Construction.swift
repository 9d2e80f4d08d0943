// The order in which the witness builds an instance: the payload first, because its user namespace
// is what the box's owners are mapped by and because it enters its cgroups while the root is made.

import LaunchPlan
import Syscalls

struct Construction {
    let plan: LaunchPlan
    let filter: [UInt8]

    /// The pid of the payload inside: the first child of the first process.
    static let payloadPID: Int32 = 2

    func build(
        parcel: Parcel, layer: LaunchOrder.Layer, shell: borrowing Shell,
        loopControl: borrowing Descriptor, directory: borrowing Descriptor
    ) throws(LaunchFailure) -> Watch {
        let begun = try begin(parcel, shell)
        let namespace = try mapIdentities(shell.processes)
        try step("go") { () throws(Errno) in try File.writeAll(begun.go.writing, [1]) }
        // The payload is on its way. Whoever comes after the supervisor finds the witness by this: it is
        // there before anything of the service runs.
        try step("note witness") { () throws(Errno) in
            try Witness.write(shell.identity, as: InstanceFiles.witness, directory)
        }
        let watch = try watch(parcel, begun, directory)
        let configuration = try Root.part(parcel, .configuration, "read configuration") {
            (file) throws(Errno) in
            let bytes = try File.status(file).sizeBytes
            guard bytes <= LaunchLimits.configurationBytesMax else { throw .fileTooLarge }
            try File.seek(file, to: 0)
            return try File.readAll(file, limit: Int(bytes))
        }
        let shares = Parcel()
        try inherit(parcel, namespace, into: shares)
        let scratch = plan.isReadOnly ? try Scratch.make(plan) : nil
        let mount = try root(
            parcel, layer, loopControl, shell.processes, namespace, directory, shares)
        try enter(mount, shell)
        try Interior.build(
            plan: plan, root: mount, shell: shell, configuration: configuration, shares: shares,
            scratch: scratch)
        try step("standard streams") { () throws(Errno) in
            for number: Int32 in 0...2 { try Confinement.place(shell.null, as: number) }
        }
        return watch
    }

    private func root(
        _ parcel: Parcel, _ layer: LaunchOrder.Layer, _ loopControl: borrowing Descriptor,
        _ processes: borrowing Descriptor, _ namespace: borrowing Descriptor,
        _ instance: borrowing Descriptor, _ shares: Parcel
    ) throws(LaunchFailure) -> Descriptor {
        guard let directory = parcel.take(LaunchPlan.Place.objects.rawValue) else {
            throw LaunchFailure(step: "objects", code: Errno.noEntry.code)
        }
        var owners: Descriptor?
        if plan.rootKind == .checkout {
            owners = try step("owners of the checkout") { () throws(Errno) in
                try OwnerMap.namespace(
                    processes, owner: try File.status(directory), uidBase: plan.uidBase)
            }
        }
        let root = try Root(
            parcel: parcel, directory: directory, owners: owners,
            layer: try Root.writableLayer(plan, parcel, layer, loopControl), namespace: namespace)
        try Shares.offer(plan, root.mount, root.layer, namespace, into: shares)
        if !plan.offered.isEmpty {
            try step("note layer") { () throws(Errno) in
                let device = try File.status(root.layer).device.minor
                try Witness.write("\(device)\n".utf8, as: InstanceFiles.layer, instance)
            }
        }
        parcel.append(directory)
        return root.keep(leaving: parcel)
    }

    private func inherit(
        _ parcel: Parcel, _ namespace: borrowing Descriptor, into shares: Parcel
    ) throws(LaunchFailure) {
        if plan.inherited.isEmpty { return }
        guard let parent = parcel.take(plan.parentPlace) else {
            throw LaunchFailure(step: "parent", code: Errno.noEntry.code)
        }
        try Shares.inherit(plan, parent: parent, namespace, into: shares)
    }

    /// Makes the payload.
    private func begin(
        _ parcel: Parcel, _ shell: borrowing Shell
    ) throws(LaunchFailure) -> Pipes {
        let pipes = try step("pipes") { () throws(Errno) in try Pipes() }
        let side = try step("clone payload") { () throws(Errno) in
            guard plan.groupKind == .version2,
                let group = parcel.take(LaunchPlan.Place.groups.rawValue)
            else { return try Namespaces.clone(into: [.user]) }
            return try Namespaces.clone(into: [.user], cgroup: .some(group))
        }
        switch consume side {
        case .child:
            throw Payload(plan: plan, filter: filter).run(
                parcel: parcel, shell: shell, go: pipes.go.reading, failure: pipes.failure.writing,
                stdout: pipes.stdout.writing, stderr: pipes.stderr.writing)
        case .parent(_, let pidfd):
            _ = consume pidfd
            return pipes
        }
    }

    private func watch(
        _ parcel: Parcel, _ pipes: consuming Pipes, _ directory: borrowing Descriptor
    ) throws(LaunchFailure) -> Watch {
        guard let memory = parcel.take(LaunchPlan.Place.memory.rawValue) else {
            throw LaunchFailure(step: "memory watch", code: Errno.noEntry.code)
        }
        let log = try step("open output log") { () throws(Errno) in
            try OutputLog(
                directory: try directory.duplicate(), bytesMax: plan.outputBytesMax,
                owner: plan.witnessUID)
        }
        do throws(Errno) {
            return try Watch(
                payload: Payload(plan: plan, filter: filter), pipes: pipes,
                memory: MemoryWatch(plan.groupKind, memory), log: log)
        } catch {
            throw LaunchFailure(step: "watch", code: error.code)
        }
    }

    /// - Returns: the payload's user namespace, with its ids mapped.
    private func mapIdentities(
        _ processes: borrowing Descriptor
    ) throws(LaunchFailure) -> Descriptor {
        try step("map ids") { () throws(Errno) in
            let map = [UInt8]("0 \(plan.uidBase) \(LaunchPlan.uidsInside)\n".utf8)
            for name in ["uid_map", "gid_map"] {
                let file = try File.open(at: processes, "\(Self.payloadPID)/\(name)", .writeOnly)
                try File.writeAll(file, map)
            }
            return try File.open(at: processes, "\(Self.payloadPID)/ns/user")
        }
    }

    /// Any directory of the host serves as the place to attach: it is gone with the pivot. What is
    /// in the shell is moved before the host's root goes.
    private func enter(
        _ root: borrowing Descriptor, _ shell: borrowing Shell
    ) throws(LaunchFailure) {
        try step("pivot root") { () throws(Errno) in
            try Mounts.attach(root, over: "/sys")
            try Mounts.changeDirectory(root)
            try Mounts.pivotToWorkingDirectory()
        }
        try Interior.attach(shell.processes, "proc", root, plan)
        try step("leave the host's root") { () throws(Errno) in try Mounts.leaveOldRoot() }
    }
}

/// The four pipes between a witness and its payload.
struct Pipes: ~Copyable {
    let go: Pipe
    let failure: Pipe
    let stdout: Pipe
    let stderr: Pipe

    init() throws(Errno) {
        let go = try Pipe()
        let failure = try Pipe()
        let stdout = try Pipe()
        let stderr = try Pipe()
        self.go = go
        self.failure = failure
        self.stdout = stdout
        self.stderr = stderr
    }
}
