import Interfaces
import ServiceModel
import Syscalls

/// What is in the store and no box needs.
///
/// Keeps true: what an import under way relies on, and what a removal under way is about to delete,
/// is not told: names are first noted and looked at again when all else is done.
struct LeftoverSearch: Sendable {
    // LIMIT: doubts held; more leftovers than that are told in part.
    private static let doubtsMax = 10_000

    private enum Doubt: Sendable {
        case object(ContentDigest)
        case box(ServiceID, name: String)
        /// Of no form that anything here is named by.
        case name(String)
    }

    private var doubts: [Doubt] = []
    private var folder = -1

    /// Looks at one folder.
    ///
    /// - Returns: false when there are no more.
    mutating func step(_ store: ObjectStore, _ index: BoxIndex) throws(Fault) -> Bool {
        defer { folder += 1 }
        switch folder {
        case -1:
            for kind in ["images", "checkouts"] { try lookAtBoxes(kind, store, index) }
            for name in try StoreFolder.list(store.folder("objects").descriptor, "objects")
            where Hexadecimal.bytes(name)?.count != 1 {
                note(.name("objects/\(name)"))
            }
        case 0...255: try lookAtObjects(UInt8(folder), store, index)
        default:
            for name in try StoreFolder.list(store.folder("staging").descriptor, "staging") {
                note(.name("staging/\(name)"))
            }
            return false
        }
        return true
    }

    private mutating func note(_ doubt: Doubt) {
        if doubts.count < Self.doubtsMax { doubts.append(doubt) }
    }

    private mutating func lookAtBoxes(
        _ kind: String, _ store: ObjectStore, _ index: BoxIndex
    ) throws(Fault) {
        for name in try StoreFolder.list(store.folder(kind).descriptor, kind) {
            let path = "\(kind)/\(name)"
            let stem = kind == "images" ? StoreFolder.imageID(name) : StoreFolder.checkoutID(name)
            guard let id = stem else {
                note(.name(path))
                continue
            }
            if try !index.has(id) { note(.box(id, name: path)) }
        }
    }

    private mutating func lookAtObjects(
        _ byte: UInt8, _ store: ObjectStore, _ index: BoxIndex
    ) throws(Fault) {
        let folder = Hexadecimal.text([byte])
        let directory: Descriptor
        do throws(Errno) {
            directory = try Directory.open(at: store.folder("objects").descriptor, folder)
        } catch .noEntry {
            return
        } catch {
            throw StoreFault.storing(error, "objects/\(folder)")
        }
        let needed = try index.needed(startingWith: byte)
        for name in try StoreFolder.list(directory, "objects/\(folder)") {
            guard let bytes = Hexadecimal.bytes(folder + name), let digest = ContentDigest(bytes)
            else {
                note(.name("objects/\(folder)/\(name)"))
                continue
            }
            if !needed.contains(digest) { note(.object(digest)) }
        }
    }

    /// Those that are there still, and still nobody's.
    func confirmed(_ store: ObjectStore, _ index: BoxIndex) throws(Fault) -> [StoreFinding] {
        var findings: [StoreFinding] = []
        for doubt in doubts {
            switch doubt {
            case .object(let digest):
                if try store.isAbandoned(digest, needed: index.needed(among:)) {
                    findings.append(StoreFinding(.leftover, "objects/\(digest.objectPath)"))
                }
            case .box(let id, let name):
                if try store.isAbandoned(id, needed: index.has), store.hasName(name) {
                    findings.append(StoreFinding(.leftover, name))
                }
            case .name(let name):
                if store.isQuiet, store.hasName(name) {
                    findings.append(StoreFinding(.leftover, name))
                }
            }
        }
        return findings
    }
}

/// The folders of the store as lists of names.
enum StoreFolder {
    static func list(
        _ directory: borrowing Descriptor, _ subject: String
    ) throws(Fault) -> [String] {
        do throws(Errno) {
            return try names(directory)
        } catch {
            throw StoreFault.storing(error, subject)
        }
    }

    /// Names that are text; the store makes no others.
    static func names(_ directory: borrowing Descriptor) throws(Errno) -> [String] {
        // An open file has one position: a list of one's own needs a file of one's own.
        let own = try Directory.open(at: directory, ".")
        return try Directory.list(own, max: .max).filter(\.isText).map(\.name)
    }

    static func imageID(_ name: String) -> ServiceID? {
        name.hasSuffix(".erofs") ? ServiceID(hex: name.dropLast(6)) : nil
    }

    /// Of a checkout, or of the mark beside it.
    static func checkoutID(_ name: String) -> ServiceID? {
        ServiceID(hex: name.hasSuffix(".altered") ? name.dropLast(8) : name[...])
    }
}

extension ServiceID {
    init?(hex: some StringProtocol) {
        guard let bytes = Hexadecimal.bytes(hex) else { return nil }
        self.init(bytes)
    }
}
