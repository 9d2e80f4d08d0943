import FoundationEssentials
import GRDB
import Interfaces

/// Grants in SQLite: digests, no token.
extension SQLiteRegistry: GrantStorage {
    private enum Kind: Int {
        case instance = 1
        case client = 2
        case revoked = 3
    }

    package func loadGrants() throws(StorageFailure) -> [Grant] {
        try guarded {
            try queue.read { database in
                try Row.fetchAll(database, sql: "SELECT * FROM grant_").map(Self.grant)
            }
        }
    }

    package func apply(add: [Grant], remove: [InstanceID]) throws(StorageFailure) {
        try guarded {
            try queue.write { database in
                for id in remove {
                    try database.execute(
                        sql: "DELETE FROM grant_ WHERE id = ?", arguments: [Data(id.bytes)])
                }
                for grant in add { try Self.insert(grant, database) }
            }
        }
    }

    private static func insert(_ grant: Grant, _ database: Database) throws {
        var kind = Kind.revoked
        var scopes = 0
        var client = (name: "", number: UInt32(0))
        switch grant.kind {
        case .instance(_, let granted): (kind, scopes) = (.instance, Int(granted.rawValue))
        case .client(let name, let number): (kind, client) = (.client, (name, number))
        case .revoked: break
        }
        try database.execute(
            sql: "INSERT OR REPLACE INTO grant_ VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                Data(grant.id.bytes), kind.rawValue, grant.instance.map { Data($0.bytes) }, scopes,
                client.name, Int64(client.number), Data(grant.digest.bytes), Data(grant.key),
                Data(grant.request), Int64(clamping: grant.addedAt),
            ])
    }

    private static func grant(_ row: Row) throws -> Grant {
        let idBytes: Data = row["id"]
        let instance = (row["instance"] as Data?).flatMap { InstanceID($0) }
        guard let id = InstanceID(idBytes), let digest = TokenDigest(bytes: bytes(row["digest"]))
        else { throw StorageFailure.broken("grant \(Hexadecimal.text(idBytes))") }
        let kind: Grant.Kind
        switch (Kind(rawValue: row["kind"]), instance) {
        case (.instance, let instance?):
            kind = .instance(instance, TokenScopes(rawValue: UInt8(row["scopes"] as Int)))
        case (.revoked, let instance?): kind = .revoked(instance)
        case (.client, nil): kind = .client(name: row["name"], number: row["number"])
        default: throw StorageFailure.broken("grant \(Hexadecimal.text(idBytes))")
        }
        return Grant(
            id: id, kind: kind, digest: digest, key: bytes(row["key"]),
            request: bytes(row["request"]), addedAt: row["added_at"])
    }
}
