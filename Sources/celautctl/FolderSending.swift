import Interfaces
import Synchronization
import Syscalls

/// A folder on its way to a node, archived while it is sent.
///
/// Keeps true: a node that takes a tree ahead of its archive makes no box unless tar has put in all that
/// was chosen: only then the end word is written, by whom nobody else can end the archive. A failure to
/// tell the tree ahead is no failure.
final class FolderSending: Sendable {
    /// The archive, the description, and for ImportTree what is told.
    let parcel: Parcel
    private let ending = Ending()

    private final class Ending: Sendable {
        let complaint = Mutex<Complaint?>(nil)
        let isOver = Semaphore()
    }

    /// - Parameters:
    ///   - isAhead: for ImportTree; for ImportBox otherwise.
    ///   - isTold: something is told then, and not nothing.
    init(
        _ folder: String, _ files: PackFiles, description: String, isAhead: Bool, isTold: Bool
    ) throws(Errno) {
        let pipe = try Pipe()
        let archive = SharedDescriptor(try pipe.writing.duplicate())
        let archiver = try Archiver(folder, files, into: archive.descriptor)
        parcel = Parcel(pipe.keepReading())
        parcel.append(try File.open(description))
        if isAhead { parcel.append(try Self.tell(folder, isTold ? files : nil)) }
        _ = try Thread(name: "archiver") { [ending] in
            let complaint = archiver.end()
            if isAhead, complaint == nil {
                // Nobody reads it where the node refused: it says why.
                try? File.writeAll(archive.descriptor, ArchiveEnd.word)
            }
            ending.complaint.withLock { $0 = complaint }
            ending.isOver.signal()
        }
    }

    /// Waits for the archiver, which has written all that was read.
    ///
    /// - Returns: its own failure; nil where there is none.
    func end() -> Complaint? {
        ending.isOver.wait()
        ending.isOver.signal()
        return ending.complaint.withLock { $0 }
    }

    /// Begins to tell.
    ///
    /// - Returns: where it is told.
    private static func tell(
        _ folder: String, _ files: PackFiles?
    ) throws(Errno) -> Descriptor {
        let pipe = try Pipe()
        guard let files else { return pipe.keepReading() }
        // Room for all of an ordinary tree, so that nobody waits.
        _ = try? Pipe.setCapacity(pipe.writing, bytes: PackFiles.pipeBytes)
        let told = SharedDescriptor(try pipe.writing.duplicate())
        // Without a thread, nothing is told.
        _ = try? Thread(name: "telling") {
            var telling = TreeTelling(folder, files, into: told)
            try? telling.tell()
        }
        return pipe.keepReading()
    }
}
