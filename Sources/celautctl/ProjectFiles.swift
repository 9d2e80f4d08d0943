import Interfaces
import Syscalls

/// The two things a box is made from: a description and a tree.
package struct ProjectFiles {
    package let description: String
    /// A folder or an archive.
    package let root: String

    static let archiveNames = [
        "rootfs.tar", "rootfs.tar.zst", "rootfs.tar.gz", "rootfs.tar.xz", "rootfs.tgz",
    ]

    package init(project: String, rootfs: String?) throws(Complaint) {
        var folder = project
        if Self.isFolder(project) {
            let places = ["\(project)/.service/service.json", "\(project)/service.json"]
            guard let place = places.first(where: File.exists) else {
                throw Complaint(
                    "There is no service.json in \(project).",
                    hint: "It describes the service; see deploy/examples for some.",
                    code: .notFound)
            }
            description = place
        } else {
            guard File.exists(project) else {
                throw Complaint("There is no \(project).", code: .notFound)
            }
            description = project
            folder = project.lastIndex(of: "/").map { String(project[..<$0]) } ?? "."
        }
        if let rootfs {
            root = rootfs
        } else {
            let names = ["rootfs"] + Self.archiveNames
            guard let found = names.map({ "\(folder)/\($0)" }).first(where: File.exists) else {
                throw Complaint(
                    "There is no tree in \(folder): neither rootfs nor rootfs.tar.",
                    hint: "Make it (an example's README says how), or name it with --rootfs.",
                    code: .notFound)
            }
            root = found
        }
        guard root == "-" || File.exists(root) else {
            throw Complaint("There is no \(root).", code: .notFound)
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        (try? File.status(path))?.kind == .directory
    }

    /// What is sent, and the archiver behind it where the tree is a folder.
    struct Source: ~Copyable {
        let parcel: Parcel
        fileprivate let archiver: Descriptor?
        fileprivate let root: String

        /// Waits for the archiver, which has written all that was read.
        borrowing func finish() throws(Fault) {
            if complaint(after: nil) != nil { throw Fault(.invalid, subject: root) }
        }

        /// The archiver's own failure; nil where there is none.
        borrowing func complaint(after fault: Fault?) -> Complaint? {
            // Only a stream that ended early can be the archiver's doing.
            if let fault, fault.reason != .truncated { return nil }
            switch archiver {
            case .none: return nil
            case .some(let pidfd):
                guard let status = try? Pidfd.wait(pidfd), status != .exited(0) else { return nil }
                return Complaint(
                    "tar could not read all of \(root) (\(status.words)).",
                    hint: "Its own message is above.", code: .invalidInput)
            }
        }
    }

    func open() throws(Complaint) -> Source {
        do throws(Errno) {
            let description = try File.open(description)
            guard Self.isFolder(root) else {
                let tree =
                    root == "-" ? Terminal.duplicate(.input) : .some(try File.open(root))
                guard let tree else { throw Errno.noEntry }
                let parcel = Parcel(tree)
                parcel.append(description)
                return Source(parcel: parcel, archiver: nil, root: root)
            }
            let pipe = try Pipe()
            let pidfd = try Self.archive(root, into: pipe.writing)
            let parcel = Parcel(pipe.keepReading())
            parcel.append(description)
            return Source(parcel: parcel, archiver: pidfd, root: root)
        } catch {
            throw Complaint(
                "\(root) or \(description) cannot be read: \(error).", code: .notFound)
        }
    }

    /// GNU tar writes the folder: names in order, and neither who made it nor when, so that it is the
    /// same box whoever packs it.
    private static func archive(
        _ root: String, into pipe: borrowing Descriptor
    ) throws(Errno) -> Descriptor {
        var plan = SpawnPlan(
            path: "/bin/tar",
            arguments: [
                "tar", "--format=pax", "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
                "--mtime=@0", "--xattrs", "-C", root, "-cf", "-", ".",
            ])
        plan.environment = ["PATH=/usr/bin:/bin", "LC_ALL=C"]
        plan.parentDeathSignal = .terminate
        plan.give(pipe, as: 1)
        plan.give(standardStream: 2, as: 2)
        let pid: Int32
        do throws(SpawnFailure) {
            pid = try Process.spawn(plan)
        } catch {
            throw error.errno
        }
        return try Pidfd.open(pid: pid)
    }
}
