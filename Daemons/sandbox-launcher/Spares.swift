// Writable layers that are mounted before they are asked for. A loop device and an ext4 mount are most
// of the time of a start, and neither depends on the instance: all fresh layers of a size are equal.
//
// A start that finds a spare of its size takes it, and its own disk file becomes the next spare, once
// nobody waits for the launcher. Spares go a few seconds after the last start, so that an idle node has
// no loop devices.

import LaunchPlan
import Syscalls

struct Spares: ~Copyable {
    // LIMIT: time without a start after which spares are dropped.
    static let idleMilliseconds: Int32 = 3_000

    /// The one spare: starts that follow each other closely are mostly of one kind.
    private var layer: Descriptor?
    private var bytes: UInt64 = 0

    var isEmpty: Bool { layer == nil }

    /// The spare, if it has this size.
    mutating func take(bytes wanted: UInt64) -> Descriptor? {
        guard bytes == wanted else { return nil }
        return layer.take()
    }

    mutating func drop() {
        layer = nil
    }

    /// Makes a file the spare. A failure costs nothing but the time saved.
    mutating func fill(_ file: borrowing Descriptor, loopControl: borrowing Descriptor) {
        layer = nil
        do throws(Errno) {
            bytes = try File.status(file).sizeBytes
            layer = try Root.mountLayer(file, loopControl)
        } catch {
            layer = nil
        }
    }

    /// A copy of a fresh disk file, in the file system of a directory, without a name.
    static func copy(
        of disk: borrowing Descriptor, in directory: borrowing Descriptor
    ) -> Descriptor? {
        do throws(Errno) {
            let copy = try File.open(at: directory, ".", .readWrite, [.unnamed])
            try File.copySparse(from: disk, to: copy)
            return copy
        } catch {
            return nil
        }
    }
}
