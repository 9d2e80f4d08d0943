// What the launcher is asked to make, in one packet. The descriptors come with the packet in the
// order of `LaunchPlan.Place`.
//
// Keeps true: a plan that was read is within every bound below and its paths are plain segments, so
// that the launcher has nothing left to check. Refuses everything else, with the field's name.

import Wire

package struct LaunchPlan: Equatable, Sendable {
    /// Where each descriptor stands in the packet.
    package enum Place: Int, Sendable {
        /// The EROFS image with the metadata of the root, open for reading.
        case image = 0
        /// The directory of content objects, or the checkout.
        case objects
        /// The content of the configuration file.
        case configuration
        /// The instance's directory, locked: the lock tells a later supervisor that this one lives.
        case directory
        /// The socket that gets the one `LaunchReport`.
        case report
        /// Tells of an out-of-memory: an eventfd (v1) or memory.events (v2).
        case memory
        /// From here on: the `tasks` of a cgroup for each hierarchy (v1), or a cgroup directory (v2).
        /// Behind them, where something is inherited, the pidfd of the parent's witness; and where
        /// something is written to a disk, the file with the file system of the writable layer, open
        /// for reading and writing.
        case groups
    }

    /// A directory of the parent that stands in this instance's root.
    package struct Inherited: Equatable, Sendable {
        /// Its path below this root.
        package var path: [String]
        /// The minor number of the loop device with the parent's writable layer.
        package var device: UInt32
        /// Which of the directories that the parent offers.
        package var index: UInt8
        package var isReadOnly: Bool

        package init(path: [String], device: UInt32, index: UInt8, isReadOnly: Bool) {
            self.path = path
            self.device = device
            self.index = index
            self.isReadOnly = isReadOnly
        }
    }

    /// A socket that is bound on the loopback inside, and listens, before the entrypoint begins.
    package struct Listener: Hashable, Sendable {
        /// In host order.
        package var address: UInt32
        package var port: UInt16
        package var isDatagram: Bool

        package init(address: UInt32, port: UInt16, isDatagram: Bool) {
            self.address = address
            self.port = port
            self.isDatagram = isDatagram
        }
    }

    /// What `Place.objects` is.
    package enum RootKind: UInt8, Sendable {
        /// The directory of objects.
        case layers = 1
        /// The tree itself; the image is not mounted. The owner of its root directory owns all of it,
        /// and stands for 0:0.
        case checkout = 2
    }

    /// How the limits are held.
    package enum GroupKind: UInt8, Sendable {
        case version1 = 1
        case version2 = 2
    }

    /// 16 bytes.
    package var instanceID: [UInt8]
    /// The path of the entrypoint below the root.
    package var entrypoint: [String]
    /// NAME=value, whole and in this order.
    package var environment: [[UInt8]]
    /// The path of the configuration file below the root.
    package var configurationPath: [String]
    /// The first host uid and gid of the instance: 0 inside.
    package var uidBase: UInt32
    /// The most open files of a process.
    package var openFilesMax: UInt32
    /// The most bytes of output that are kept.
    package var outputBytesMax: UInt64
    /// The most bytes of output that are taken per second; 0 for no bound.
    package var outputBytesPerSecond: UInt64
    /// The most bytes of /dev/shm; where the root is read-only, of that and the other places that
    /// can be written without a disk, together.
    package var sharedMemoryBytesMax: UInt64
    package var rootKind: RootKind
    package var groupKind: GroupKind
    /// How many cgroups there are from `Place.groups` on.
    package var groups: UInt8
    /// The paths below the root that children may have, in the order of their numbers.
    package var offered: [[String]] = []
    package var inherited: [Inherited] = []
    /// It has a devpts of its own.
    package var hasTerminals = false
    /// Nothing can be written to its root.
    package var isReadOnly = false
    /// Each comes back as a descriptor with the report of the start, in this order.
    package var listeners: [Listener] = []

    package init(
        instanceID: [UInt8], entrypoint: [String], environment: [[UInt8]],
        configurationPath: [String], uidBase: UInt32, openFilesMax: UInt32,
        outputBytesMax: UInt64, outputBytesPerSecond: UInt64 = 0, sharedMemoryBytesMax: UInt64,
        rootKind: RootKind = .layers, groupKind: GroupKind, groups: UInt8
    ) {
        self.instanceID = instanceID
        self.entrypoint = entrypoint
        self.environment = environment
        self.configurationPath = configurationPath
        self.uidBase = uidBase
        self.openFilesMax = openFilesMax
        self.outputBytesMax = outputBytesMax
        self.outputBytesPerSecond = outputBytesPerSecond
        self.sharedMemoryBytesMax = sharedMemoryBytesMax
        self.rootKind = rootKind
        self.groupKind = groupKind
        self.groups = groups
    }

    /// Host ids from `uidBase` on that belong to one instance.
    package static let uidsPerInstance: UInt32 = 65_536
    /// Ids the instance can use; the one after them is the witness's, so that no process of the
    /// instance is its equal.
    package static let uidsInside: UInt32 = 65_535

    package var descriptors: Int { layerPlace + (hasDisk ? 1 : 0) }
    /// Where the pidfd of the parent's witness stands, if there is one.
    package var parentPlace: Int { Place.groups.rawValue + Int(groups) }
    /// Where the file of the writable layer stands, if there is one.
    package var diskPlace: Int? { hasDisk ? layerPlace : nil }
    /// What is offered to children lies on the disk, too.
    package var hasDisk: Bool { !isReadOnly || !offered.isEmpty }
    private var layerPlace: Int { parentPlace + (inherited.isEmpty ? 0 : 1) }
    package var witnessUID: UInt32 { uidBase + Self.uidsInside }
}

package enum LaunchLimits {
    // LIMIT: bytes of a packet; a plan must fit the socket buffer, and the body of the request
    // it was made from was at most as long.
    package static let packetBytesMax = 98_304
    // LIMIT: segments of a path, as deep as box-builder lets a tree be; with separators at most
    // PATH_MAX.
    package static let segmentsMax = 128
    // LIMIT: bytes of a segment: NAME_MAX.
    package static let segmentBytesMax = 255
    // LIMIT: bytes of a path: PATH_MAX with its end.
    package static let pathBytesMax = 4_095
    // LIMIT: environment variables; more than any service declares, few enough to hold.
    package static let variablesMax = 1_024
    // LIMIT: bytes of NAME=value. MAX_ARG_STRLEN is 131,072; a packet is shorter.
    package static let variableBytesMax = 65_536
    // LIMIT: v1 has five hierarchies we use, v2 one.
    package static let groupsMax = 8
    // LIMIT: directories offered, and inherited: each is a mount. As many as a specification has.
    package static let sharesMax = 64
    // LIMIT: sockets listening before the start: what one packet with descriptors carries.
    package static let listenersMax = 16
    // LIMIT: bytes of the configuration file's content, which is held in memory for a moment; a
    // gateway's is a few hundred.
    package static let configurationBytesMax = 1_048_576
    // LIMIT: bytes of the name of a step, in a report and in a record.
    package static let stepBytesMax = 256
}

/// Why bytes are not what was expected: the field, by name.
package struct LaunchViolation: Error, Equatable, Sendable {
    package let field: String

    package init(_ field: String) {
        self.field = field
    }
}

extension LaunchPlan {
    /// "CLTP": tells a plan from anything else.
    private static let magic: UInt32 = 0x5054_4C43
    /// Raised with every change of the packet. The two that speak it are of one build, except where
    /// one was replaced on the disk while the other ran: they then say so instead of guessing.
    package static let version: UInt16 = 5

    /// The first field that says what it must not; nil for a good plan.
    package func invalid() -> LaunchViolation? {
        if instanceID.count != 16 { return LaunchViolation("instance-id") }
        if !Self.isPath(entrypoint) { return LaunchViolation("entrypoint") }
        if !environment.allSatisfy(Self.isVariable) { return LaunchViolation("environment") }
        if environment.count > LaunchLimits.variablesMax { return LaunchViolation("environment") }
        if !Self.isPath(configurationPath) { return LaunchViolation("configuration-path") }
        // Host ids below are those of people and daemons; 4294967295 means "none".
        let last = UInt64(uidBase) + UInt64(Self.uidsPerInstance)
        if uidBase < Self.uidsPerInstance || last >= UInt64(UInt32.max) {
            return LaunchViolation("uid-base")
        }
        if openFilesMax < 8 || openFilesMax > 1_048_576 { return LaunchViolation("open-files") }
        if outputBytesMax < 65_536 || outputBytesMax > 1 << 32 { return LaunchViolation("output") }
        if sharedMemoryBytesMax == 0 { return LaunchViolation("shared-memory") }
        if groups > UInt8(LaunchLimits.groupsMax) { return LaunchViolation("groups") }
        if groupKind == .version2 && groups != 1 { return LaunchViolation("groups") }
        if offered.count > LaunchLimits.sharesMax || !offered.allSatisfy(Self.isPath) {
            return LaunchViolation("offered")
        }
        if inherited.count > LaunchLimits.sharesMax
            || !inherited.allSatisfy({
                Self.isPath($0.path) && $0.device < 1 << 20
                    && Int($0.index) < LaunchLimits.sharesMax
            })
        {
            return LaunchViolation("inherited")
        }
        // Two of the same could not both be bound.
        if listeners.count > LaunchLimits.listenersMax
            || Set(listeners).count != listeners.count
            || listeners.contains(where: { $0.port == 0 })
        {
            return LaunchViolation("listeners")
        }
        return nil
    }

    /// Segments that name one place below a root and nothing else.
    package static func isPath(_ segments: [String]) -> Bool {
        guard !segments.isEmpty, segments.count <= LaunchLimits.segmentsMax else { return false }
        var bytes = 0
        for segment in segments {
            let utf8 = segment.utf8
            bytes += utf8.count + 1
            if utf8.isEmpty || utf8.count > LaunchLimits.segmentBytesMax { return false }
            if segment == "." || segment == ".." { return false }
            if utf8.contains(0) || utf8.contains(UInt8(ascii: "/")) { return false }
        }
        return bytes <= LaunchLimits.pathBytesMax
    }

    private static func isVariable(_ variable: [UInt8]) -> Bool {
        guard variable.count <= LaunchLimits.variableBytesMax, !variable.contains(0) else {
            return false
        }
        guard let equals = variable.firstIndex(of: UInt8(ascii: "=")) else { return false }
        return equals > 0
    }

    /// The plan as a packet.
    package func encoded() throws(LaunchViolation) -> [UInt8] {
        if let violation = invalid() { throw violation }
        var writer = ByteWriter(bytesMax: LaunchLimits.packetBytesMax)
        do throws(ByteWriter.Overflow) {
            try writer.put(Self.magic)
            try writer.put(Self.version)
            for byte in instanceID { try writer.put(byte) }
            try Self.put(entrypoint, &writer)
            try writer.putCount(environment.count, max: LaunchLimits.variablesMax)
            for variable in environment {
                try writer.put(variable, max: LaunchLimits.variableBytesMax)
            }
            try Self.put(configurationPath, &writer)
            try writer.put(uidBase)
            try writer.put(openFilesMax)
            try writer.put(outputBytesMax)
            try writer.put(outputBytesPerSecond)
            try writer.put(sharedMemoryBytesMax)
            try writer.put(rootKind.rawValue)
            try writer.put(groupKind.rawValue)
            try writer.put(groups)
            try writer.putCount(offered.count, max: LaunchLimits.sharesMax)
            for path in offered { try Self.put(path, &writer) }
            try writer.putCount(inherited.count, max: LaunchLimits.sharesMax)
            for one in inherited {
                try Self.put(one.path, &writer)
                try writer.put(one.device)
                try writer.put(one.index)
                try writer.put(UInt8(one.isReadOnly ? 1 : 0))
            }
            try writer.put(UInt8(hasTerminals ? 1 : 0))
            try writer.put(UInt8(isReadOnly ? 1 : 0))
            try writer.putCount(listeners.count, max: LaunchLimits.listenersMax)
            for one in listeners {
                try writer.put(one.address)
                try writer.put(one.port)
                try writer.put(UInt8(one.isDatagram ? 1 : 0))
            }
        } catch {
            throw LaunchViolation("packet")
        }
        return writer.bytes
    }

    package init(reading packet: [UInt8]) throws(LaunchViolation) {
        var violation: LaunchViolation?
        var plan: LaunchPlan?
        do throws(ByteReader.Failure) {
            var reader = ByteReader(packet)
            violation = try Self.foreign(&reader)
            if violation == nil {
                plan = try Self.plan(&reader)
                if plan != nil { try reader.finish() }
            }
        } catch {
            throw LaunchViolation("packet")
        }
        if let violation { throw violation }
        guard let plan else { throw LaunchViolation("kind") }
        if let violation = plan.invalid() { throw violation }
        self = plan
    }

    /// Why this is nothing that this build can read further.
    private static func foreign(
        _ reader: inout ByteReader
    ) throws(ByteReader.Failure) -> LaunchViolation? {
        guard try reader.uint32() == magic else { return LaunchViolation("magic") }
        guard try reader.uint16() == version else { return LaunchViolation("version") }
        return nil
    }

    /// nil where a kind is unknown.
    private static func plan(
        _ reader: inout ByteReader
    ) throws(ByteReader.Failure) -> LaunchPlan? {
        var id: [UInt8] = []
        for _ in 0..<16 { id.append(try reader.uint8()) }
        let entrypoint = try path(&reader)
        var environment: [[UInt8]] = []
        for _ in 0..<(try reader.count(max: LaunchLimits.variablesMax, elementBytesMin: 4)) {
            environment.append(try reader.bytes(max: LaunchLimits.variableBytesMax))
        }
        let configurationPath = try path(&reader)
        let uidBase = try reader.uint32()
        let openFilesMax = try reader.uint32()
        let outputBytesMax = try reader.uint64()
        let outputBytesPerSecond = try reader.uint64()
        let sharedMemoryBytesMax = try reader.uint64()
        let rootKind = RootKind(rawValue: try reader.uint8())
        let groupKind = GroupKind(rawValue: try reader.uint8())
        let groups = try reader.uint8()
        guard let rootKind, let groupKind else { return nil }
        var plan = LaunchPlan(
            instanceID: id, entrypoint: entrypoint, environment: environment,
            configurationPath: configurationPath, uidBase: uidBase, openFilesMax: openFilesMax,
            outputBytesMax: outputBytesMax, outputBytesPerSecond: outputBytesPerSecond,
            sharedMemoryBytesMax: sharedMemoryBytesMax,
            rootKind: rootKind, groupKind: groupKind, groups: groups)
        for _ in 0..<(try reader.count(max: LaunchLimits.sharesMax, elementBytesMin: 4)) {
            plan.offered.append(try path(&reader))
        }
        for _ in 0..<(try reader.count(max: LaunchLimits.sharesMax, elementBytesMin: 10)) {
            let path = try path(&reader)
            let (device, index) = (try reader.uint32(), try reader.uint8())
            guard let isReadOnly = flag(try reader.uint8()) else { return nil }
            plan.inherited.append(
                Inherited(path: path, device: device, index: index, isReadOnly: isReadOnly))
        }
        guard let hasTerminals = flag(try reader.uint8()) else { return nil }
        plan.hasTerminals = hasTerminals
        guard let isReadOnly = flag(try reader.uint8()) else { return nil }
        plan.isReadOnly = isReadOnly
        for _ in 0..<(try reader.count(max: LaunchLimits.listenersMax, elementBytesMin: 7)) {
            let (address, port) = (try reader.uint32(), try reader.uint16())
            guard let isDatagram = flag(try reader.uint8()) else { return nil }
            plan.listeners.append(
                Listener(address: address, port: port, isDatagram: isDatagram))
        }
        return plan
    }

    private static func flag(_ byte: UInt8) -> Bool? {
        byte > 1 ? nil : byte == 1
    }

    private static func put(
        _ path: [String], _ writer: inout ByteWriter
    ) throws(ByteWriter.Overflow) {
        try writer.putCount(path.count, max: LaunchLimits.segmentsMax)
        for segment in path { try writer.put(segment, max: LaunchLimits.segmentBytesMax) }
    }

    private static func path(_ reader: inout ByteReader) throws(ByteReader.Failure) -> [String] {
        var segments: [String] = []
        for _ in 0..<(try reader.count(max: LaunchLimits.segmentsMax, elementBytesMin: 4)) {
            segments.append(try reader.text(max: LaunchLimits.segmentBytesMax))
        }
        return segments
    }
}
