// Removing a tree that somebody else filled: names of any bytes, links that lead elsewhere, and
// directories inside each other without end. Nothing outside the tree is touched, and neither
// descriptors nor stack grow with its depth.

import CShim
import Glibc

extension Directory {
    // LIMIT: 64 directories open at once. What lies deeper is moved up to the top first.
    private static let openMax = 64

    /// Removes a name and all below it; links are removed, not followed. Somebody who goes on
    /// writing into the tree can make it fail with `.notEmpty`.
    package static func removeAll(at parent: borrowing Descriptor, _ name: String) throws(Errno) {
        try Call.checkName(name)
        let entry = Name(Array(name.utf8))
        guard let top = try open(parent.raw, entry) else {
            return try unlink(parent.raw, entry, flags: 0)
        }
        var moved = 0
        repeat {
            let before = moved
            try empty(top, top: top, depth: 1, moved: &moved)
            if moved == before { break }
        } while true
        try unlink(parent.raw, entry, flags: AT_REMOVEDIR)
    }

    private static func empty(
        _ directory: borrowing Descriptor, top: borrowing Descriptor, depth: Int, moved: inout Int
    ) throws(Errno) {
        for entry in try list(directory, max: Int.max) {
            let name = Name(entry.nameBytes)
            guard (entry.kind ?? .directory) == .directory,
                let inner = try open(directory.raw, name)
            else {
                try unlink(directory.raw, name, flags: 0)
                continue
            }
            if depth >= openMax {
                try lift(name, from: directory, to: top, moved: &moved)
            } else {
                try empty(inner, top: top, depth: depth + 1, moved: &moved)
                try unlink(directory.raw, name, flags: AT_REMOVEDIR)
            }
        }
    }

    /// Moves a deep directory to the top, under a name that is free there.
    private static func lift(
        _ name: Name, from directory: borrowing Descriptor, to top: borrowing Descriptor,
        moved: inout Int
    ) throws(Errno) {
        let from = directory.raw
        let to = top.raw
        while true {
            moved += 1
            let target = Name(Array(".deep-\(moved)".utf8))
            do throws(Errno) {
                // SAFETY: both names are terminated and live for the call.
                try Call.check {
                    unsafe celaut_renameat2(
                        from, name.characters, to, target.characters,
                        File.Replace.refused.rawValue)
                }
                return
            } catch .exists {
                continue
            }
        }
    }

    /// A name of any bytes, terminated.
    private struct Name {
        let characters: [CChar]

        init(_ bytes: [UInt8]) {
            characters = bytes.map { CChar(bitPattern: $0) } + [0]
        }
    }

    /// nil when it is no directory.
    private static func open(_ raw: Int32, _ name: Name) throws(Errno) -> Descriptor? {
        let flags = O_RDONLY | celaut_o_directory | celaut_o_nofollow | O_CLOEXEC
        do throws(Errno) {
            // SAFETY: the name is terminated and lives for the call.
            return try Call.descriptor { unsafe celaut_openat(raw, name.characters, flags, 0) }
        } catch .notDirectory {
            return nil
        } catch .loop {
            return nil
        }
    }

    private static func unlink(_ raw: Int32, _ name: Name, flags: Int32) throws(Errno) {
        // SAFETY: as above.
        try Call.check { unsafe unlinkat(raw, name.characters, flags) }
    }
}
