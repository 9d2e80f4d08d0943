// The root of an instance: the box's metadata (EROFS) with its owners mapped into the instance's
// ids, the content objects as a data-only layer, and a writable layer in a file of its own. Or, for
// kernels without such layers, the box's checkout in place of metadata and objects. Where nothing can
// be written to the root, what the node itself puts into it lies in memory, and the mount is made
// read-only when it is there (`Interior`): an instance without capabilities cannot undo that.
//
// Everything is put together as mounts that are attached nowhere; the instance's mount table then
// names no directory of the host. The file systems belong to the host's user namespace: metacopy
// and redirects are trusted.* attributes, which an instance can neither set nor mount.

import LaunchPlan
import Syscalls

struct Root: ~Copyable {
    let mount: Descriptor
    /// The file system of the writable layer.
    let layer: Descriptor

    /// To close a mount's last descriptor is to wait for all processors: what the root is made of is
    /// left in the parcel, which closes when the entrypoint runs.
    ///
    /// - Parameters:
    ///   - directory: of the objects, or the checkout.
    ///   - owners: maps the owner of a checkout; nil for layers.
    ///   - layer: from `writableLayer`.
    init(
        parcel: Parcel, directory: borrowing Descriptor, owners: borrowing Descriptor?,
        layer: consuming Descriptor, namespace: borrowing Descriptor
    ) throws(LaunchFailure) {
        let mount = try Self.mount(parcel, directory, owners, layer, namespace)
        self.mount = mount
        self.layer = layer
    }

    /// - Parameter rest: gets what else there is.
    consuming func keep(leaving rest: Parcel) -> Descriptor {
        rest.append(layer)
        return mount
    }

    private static func mount(
        _ parcel: Parcel, _ directory: borrowing Descriptor, _ owners: borrowing Descriptor?,
        _ layer: borrowing Descriptor, _ namespace: borrowing Descriptor
    ) throws(LaunchFailure) -> Descriptor {
        switch owners {
        case .none:
            let image = try image(parcel, namespace)
            let root = try overlay(image: image, layer: layer, objects: directory)
            parcel.append(image)
            return root
        case .some(let owners):
            try step("map owners") { () throws(Errno) in
                try Mounts.mapOwners(of: directory, by: owners)
            }
            return try overlay(checkout: directory, layer: layer)
        }
    }

    private static func image(
        _ parcel: Parcel, _ namespace: borrowing Descriptor
    ) throws(LaunchFailure) -> Descriptor {
        let mount = try part(parcel, .image, "mount image") { file throws(Errno) in
            let context = try FileSystemContext("erofs")
            try context.set("source", file.procPath())
            return try context.mount([.readOnly, .noSetuid, .noDevices])
        }
        try step("map owners") { () throws(Errno) in
            try Mounts.mapOwners(of: mount, by: namespace)
        }
        return mount
    }

    /// What is over the box, attached nowhere.
    static func writableLayer(
        _ plan: LaunchPlan, _ parcel: Parcel, _ layer: LaunchOrder.Layer,
        _ loopControl: borrowing Descriptor
    ) throws(LaunchFailure) -> Descriptor {
        if layer == .absent {
            return try step("mount layer") { () throws(Errno) in try memoryLayer() }
        }
        guard let place = plan.diskPlace, let disk = parcel.take(place) else {
            throw LaunchFailure(step: "disk", code: Errno.noEntry.code)
        }
        if layer == .mounted { return disk }
        return try step("mount disk") { () throws(Errno) in try mountLayer(disk, loopControl) }
    }

    // LIMIT: bytes and inodes that the node puts into a read-only root: a configuration file, the
    // directories it lies in, places to attach mounts at, and what the overlay needs.
    private static let memoryLayerBytesMax = 2 * LaunchLimits.configurationBytesMax
    private static let memoryLayerInodesMax = 1_024

    private static func memoryLayer() throws(Errno) -> Descriptor {
        let context = try FileSystemContext("tmpfs")
        try context.set("mode", "0700")
        try context.set("size", "\(memoryLayerBytesMax)")
        try context.set("nr_inodes", "\(memoryLayerInodesMax)")
        return try context.mount([.noSetuid, .noDevices, .noAccessTime])
    }

    /// The file system in a file, attached nowhere.
    static func mountLayer(
        _ file: borrowing Descriptor, _ loopControl: borrowing Descriptor
    ) throws(Errno) -> Descriptor {
        let device = try LoopDevice(over: file, control: loopControl, isDirect: writesAreBounded)
        try device.load(dataOf: file)
        let context = try FileSystemContext("ext4")
        try context.set("source", device.path)
        // What was never written reads as zeros already.
        try context.set("noinit_itable")
        // The file has no blocks where nothing was written; freed blocks go back to the host.
        try context.set("discard")
        return try context.mount([.noSetuid, .noDevices, .noAccessTime])
    }

    /// cgroup v2 slows down who has more unwritten pages than a part of its memory. Through the page cache
    /// of the file below each page is there twice, and what writes the second back waits for the first:
    /// with 24 MiB of memory an instance writes 2 MB/s (measured on 6.1), and 34 MB/s directly.
    /// Looked at by the launcher: a witness does not see it.
    static let writesAreBounded = File.exists("/sys/fs/cgroup/cgroup.controllers")

    private static func overlay(
        image: borrowing Descriptor, layer: borrowing Descriptor, objects: borrowing Descriptor
    ) throws(LaunchFailure) -> Descriptor {
        try step("mount root") { () throws(Errno) in
            let upper = try upper(in: layer, like: try File.status(image))
            let work = try File.open(at: layer, "work", .path, [.directory])
            let context = try FileSystemContext("overlay")
            try context.set("source", "box")
            try context.set("lowerdir+", image)
            try context.set("datadir+", objects)
            try context.set("upperdir", upper)
            try context.set("workdir", work)
            try setCommon(context)
            return try context.mount([.noSetuid, .noDevices])
        }
    }

    /// With nothing that is younger than mounts with mapped owners as layers (Linux 5.19): both are
    /// attached, and named by their paths. They are gone from the mount table with the host's root.
    private static func overlay(
        checkout: borrowing Descriptor, layer: borrowing Descriptor
    ) throws(LaunchFailure) -> Descriptor {
        try step("mount root") { () throws(Errno) in
            _ = try upper(in: layer, like: try File.status(checkout))
            // Every host has these two, and nothing here needs what is in them any more.
            try Mounts.attach(checkout, over: "/sys")
            // A clone of a shared mount is shared: what is attached over it would appear on the host.
            try Mounts.makeAllPrivate()
            try Mounts.attach(layer, over: "/dev")
            let context = try FileSystemContext("overlay")
            try context.set("source", "box")
            try context.set("lowerdir", "/sys")
            try context.set("upperdir", "/dev/upper")
            try context.set("workdir", "/dev/work")
            try setCommon(context)
            return try context.mount([.noSetuid, .noDevices])
        }
    }

    /// The upper directory, which is the root's own inode from now on: it looks as the box's.
    private static func upper(
        in layer: borrowing Descriptor, like: FileStatus
    ) throws(Errno) -> Descriptor {
        // A fresh layer has both already.
        for name in ["upper", "work"] {
            do throws(Errno) {
                try File.makeDirectory(at: layer, name, mode: 0o700)
            } catch .exists {
                continue
            }
        }
        let upper = try File.open(at: layer, "upper", .readOnly, [.directory])
        try File.setOwner(upper, uid: like.uid, gid: like.gid)
        try File.setMode(upper, like.permissions)
        return upper
    }

    private static func setCommon(_ context: borrowing FileSystemContext) throws(Errno) {
        try context.set("metacopy", "on")
        try context.set("redirect_dir", "on")
        try context.set("index", "off")
        try context.set("xino", "off")
        // The layer does not outlive the instance: nothing in it is worth a flush.
        try context.set("volatile")
    }

    /// Makes a call with a descriptor of the plan.
    static func part<Value: ~Copyable>(
        _ parcel: Parcel, _ place: LaunchPlan.Place, _ name: String,
        _ body: (borrowing Descriptor) throws(Errno) -> Value
    ) throws(LaunchFailure) -> Value {
        guard let descriptor = parcel.take(place.rawValue) else {
            throw LaunchFailure(step: name, code: Errno.noEntry.code)
        }
        return try step(name) { () throws(Errno) in try body(descriptor) }
    }
}
