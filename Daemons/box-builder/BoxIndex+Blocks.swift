import FoundationEssentials
import GRDB
package import Interfaces
package import ServiceModel

/// What other nodes name contents by: SHA3-256, computed where it is needed first, and remembered
/// for as long as a box needs the content.
extension BoxIndex {
    /// Remembers names of contents that a box needs; others are not remembered.
    package func nameBlocks(_ names: [ContentDigest: [UInt8]]) throws(Fault) {
        guard !names.isEmpty else { return }
        try guarded {
            try queue.write { database in
                let statement = try database.makeStatement(
                    sql: """
                        INSERT OR IGNORE INTO block (digest, name)
                        SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM object WHERE digest = ?1)
                        """)
                for (digest, name) in names {
                    try statement.execute(arguments: [Data(digest.bytes), Data(name)])
                }
            }
        }
    }

    /// The name of a content, where it is known.
    package func blockName(of digest: ContentDigest) throws(Fault) -> [UInt8]? {
        try guarded {
            try queue.read { database in
                try Data.fetchOne(
                    database, sql: "SELECT name FROM block WHERE digest = ?",
                    arguments: [Data(digest.bytes)]
                ).map { Array($0) }
            }
        }
    }

    /// The content with a name, where one is known.
    package func content(ofBlock name: [UInt8]) throws(Fault) -> ContentDigest? {
        try guarded {
            try queue.read { database in
                try Data.fetchOne(
                    database, sql: "SELECT digest FROM block WHERE name = ?",
                    arguments: [Data(name)]
                ).flatMap { ContentDigest($0) }
            }
        }
    }
}

/// Which contents are here.
extension BoxIndex {
    // LIMIT: digests looked up in one transaction, so that others get between.
    private static let stepDigests = 1_024

    /// Those of some digests that no box here has a content with.
    func missing(
        among digests: [ArraySlice<UInt8>], _ kind: DigestKind
    ) throws(Fault) -> [[UInt8]] {
        let table: String
        switch kind {
        case .unspecified, .sha2256: table = "object WHERE digest"
        case .sha3256: table = "block WHERE name"
        case .UNRECOGNIZED: throw Fault(.unsupported, subject: "kind")
        }
        var missing: [[UInt8]] = []
        for start in stride(from: 0, to: digests.count, by: Self.stepDigests) {
            let step = digests[start..<min(start + Self.stepDigests, digests.count)]
            missing += try guarded {
                try queue.read { database in
                    let statement = try database.cachedStatement(
                        sql: "SELECT 1 FROM \(table) = ? LIMIT 1")
                    return try step.filter {
                        try Int.fetchOne(statement, arguments: [Data($0)]) == nil
                    }.map { Array($0) }
                }
            }
        }
        return missing
    }

    /// The contents of a box, each once, in the order of their digests.
    func contents(
        of text: String, bytesMin: UInt64
    ) throws(Fault) -> (ServiceID, [(digest: ContentDigest, bytes: UInt64)]) {
        let reference = try BoxReference(text)
        return try guarded {
            try queue.read { database in
                let id = try Self.resolve(reference, text, database)
                let rows = try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT object.digest, object.bytes FROM box
                        JOIN need ON need.box = box.number
                        JOIN object ON object.number = need.object
                        WHERE box.id = ? AND object.bytes >= ?
                        AND object.digest IS NOT box.form ORDER BY object.digest
                        """, arguments: [Data(id.bytes), Int64(clamping: bytesMin)])
                var contents: [(ContentDigest, UInt64)] = []
                while let row = try rows.next() {
                    if let digest = ContentDigest(row["digest"] as Data) {
                        contents.append((digest, row.unsigned("bytes")))
                    }
                }
                return (id, contents)
            }
        }
    }
}
