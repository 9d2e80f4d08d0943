import FoundationEssentials
import ServiceModel
import Syscalls

/// Which packages a project's list became: `debian.lock.json` beside its `pack_config.json`.
///
/// Keeps true: packing again takes exactly these, so that the box has the same id, until the list
/// changes or a new choice is asked for.
struct DebianLock: Codable, Equatable {
    static let fileName = "debian.lock.json"

    struct Entry: Codable, Equatable {
        var name: String
        var version: String
        var architecture: String
        /// Of the package's file.
        var sha256: String
        var bytes: UInt64
    }

    /// The list it was made from.
    var asked: [String]
    var essential: Bool
    /// As Debian names it: "amd64".
    var architecture: String
    /// Sorted by name.
    var packages: [Entry]

    // LIMIT: bytes of the file: some 50,000 packages.
    private static let bytesMax = 16 << 20

    /// nil where there is none.
    static func read(_ path: String) throws(Complaint) -> DebianLock? {
        guard File.exists(path) else { return nil }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(path, limit: bytesMax)
        } catch {
            throw Complaint("\(path) cannot be read: \(error).", code: .invalidInput)
        }
        guard let lock = try? JSONDecoder().decode(DebianLock.self, from: Data(bytes)),
            lock.packages.allSatisfy({ $0.isSound })
        else {
            throw Complaint(
                "\(path) is not what celautctl writes.",
                hint: "Correct it, or have it made again with --update.", code: .invalidInput)
        }
        return lock
    }

    /// - Returns: false where it cannot be written, as for a project of somebody else's.
    func write(_ path: String) -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        guard let data = try? encoder.encode(self) else { return false }
        do throws(Errno) {
            let file = try File.open(
                path + ".new", .writeOnly, [.create, .truncate], mode: 0o644)
            try File.writeAll(file, [UInt8](data) + [10])
            try File.rename(path + ".new", to: path)
            return true
        } catch {
            return false
        }
    }
}

extension DebianLock.Entry {
    fileprivate var isSound: Bool {
        sha256.utf8.count == 64 && sha256.allSatisfy(\.isHexDigit)
            && !name.contains("/") && !version.contains("/") && !name.hasPrefix("-")
    }
}
