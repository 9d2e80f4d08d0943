package import GRDB

/// How the index came to its present form. A step that was released is never changed.
extension BoxIndex {
    package static func migrate(_ migrator: inout DatabaseMigrator) {
        boxes(&migrator)
        roots(&migrator)
        forms(&migrator)
        numberedObjects(&migrator)
        proofs(&migrator)
        seals(&migrator)
        digests(&migrator)
    }

    private static func boxes(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("1 boxes") { database in
            try database.execute(
                sql: """
                    CREATE TABLE box (
                        number INTEGER PRIMARY KEY,
                        id BLOB NOT NULL UNIQUE,
                        architecture TEXT NOT NULL,
                        entrypoint TEXT NOT NULL,
                        entries INTEGER NOT NULL,
                        content_bytes INTEGER NOT NULL,
                        canonical_bytes INTEGER NOT NULL,
                        imported_at INTEGER NOT NULL,
                        slots TEXT NOT NULL,
                        service BLOB NOT NULL
                    ) STRICT;
                    CREATE TABLE tag (
                        name TEXT PRIMARY KEY NOT NULL,
                        box INTEGER NOT NULL REFERENCES box ON DELETE CASCADE
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX tag_by_box ON tag (box);
                    CREATE TABLE object (
                        box INTEGER NOT NULL REFERENCES box ON DELETE CASCADE,
                        digest BLOB NOT NULL,
                        bytes INTEGER NOT NULL,
                        PRIMARY KEY (digest, box)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX object_by_box ON object (box);
                    CREATE TABLE hold (
                        holder TEXT PRIMARY KEY NOT NULL,
                        box INTEGER NOT NULL REFERENCES box ON DELETE RESTRICT,
                        -- How the holder named the box.
                        reference TEXT NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX hold_by_box ON hold (box);
                    """)
        }
    }

    private static func roots(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("2 roots") { database in
            try database.execute(
                sql: """
                    -- The SHA-256 of the image; NULL for a box from before it was kept.
                    ALTER TABLE box ADD COLUMN image BLOB;
                    -- What an equal input is known by before its id is computed.
                    ALTER TABLE box ADD COLUMN fingerprint BLOB;
                    CREATE INDEX box_by_fingerprint ON box (fingerprint);
                    """)
        }
    }

    private static func forms(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("3 forms") { database in
            try database.execute(
                sql: """
                    -- The object that has the canonical bytes without the contents.
                    ALTER TABLE box ADD COLUMN form BLOB;
                    ALTER TABLE box ADD COLUMN form_bytes INTEGER;
                    -- What other nodes name contents by, where it was needed once.
                    CREATE TABLE block (
                        digest BLOB PRIMARY KEY NOT NULL,
                        -- SHA3-256.
                        name BLOB NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX block_by_name ON block (name);
                    CREATE TRIGGER block_goes AFTER DELETE ON object
                    WHEN NOT EXISTS (SELECT 1 FROM object WHERE digest = old.digest)
                    BEGIN DELETE FROM block WHERE digest = old.digest; END;
                    """)
        }
    }

    private static func proofs(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("5 proofs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE proof (
                        box INTEGER NOT NULL REFERENCES box ON DELETE CASCADE,
                        -- A serialized Contract: where an opinion on the box stands.
                        contract BLOB NOT NULL,
                        PRIMARY KEY (box, contract)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
    }

    private static func seals(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("6 seals") { database in
            try database.execute(
                sql: """
                    -- See RowSeal; NULL for a row from before there were seals.
                    ALTER TABLE box ADD COLUMN seal BLOB;
                    ALTER TABLE hold ADD COLUMN seal BLOB;
                    ALTER TABLE proof ADD COLUMN seal BLOB;
                    """)
        }
    }

    private static func digests(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("7 digests") { database in
            try database.execute(
                sql: """
                    -- What a service is known by beside its id, once it was computed.
                    CREATE TABLE digest (
                        value BLOB NOT NULL,
                        -- The algorithm: its digest of nothing.
                        type BLOB NOT NULL,
                        box INTEGER NOT NULL REFERENCES box ON DELETE CASCADE,
                        -- See RowSeal.
                        seal BLOB NOT NULL,
                        PRIMARY KEY (value, type)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX digest_by_box ON digest (box);
                    """)
        }
    }

    private static func numberedObjects(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("4 numbered objects") { database in
            // Ten boxes of one base name nearly the same objects: ten times a number, not a digest.
            try database.execute(
                sql: """
                    DROP TRIGGER block_goes;
                    ALTER TABLE object RENAME TO former;
                    CREATE TABLE object (
                        number INTEGER PRIMARY KEY,
                        digest BLOB NOT NULL UNIQUE,
                        bytes INTEGER NOT NULL
                    ) STRICT;
                    CREATE TABLE need (
                        box INTEGER NOT NULL REFERENCES box ON DELETE CASCADE,
                        object INTEGER NOT NULL REFERENCES object ON DELETE RESTRICT,
                        PRIMARY KEY (box, object)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX need_by_object ON need (object);
                    INSERT INTO object (digest, bytes)
                    SELECT digest, max(bytes) FROM former GROUP BY digest ORDER BY digest;
                    INSERT INTO need
                    SELECT former.box, object.number FROM former JOIN object USING (digest)
                    ORDER BY former.box, object.number;
                    DROP TABLE former;
                    CREATE TRIGGER block_goes AFTER DELETE ON object
                    BEGIN DELETE FROM block WHERE digest = old.digest; END;
                    """)
        }
    }
}
