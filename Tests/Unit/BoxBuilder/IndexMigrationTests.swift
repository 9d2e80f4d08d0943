// An index that an earlier build wrote, and what it says after today's build has opened it.

import Foundation
import GRDB
import ServiceModel
import Testing
import box_builder

@Suite("An older index")
struct IndexMigrationTests {
    private static let shared = Data(repeating: 1, count: 32)
    private static let own = Data(repeating: 2, count: 32)

    /// Two boxes that share an object, as the third schema had them.
    private func former() throws -> (DatabaseQueue, DatabaseMigrator) {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        BoxIndex.migrate(&migrator)
        try migrator.migrate(queue, upTo: "3 forms")
        try queue.write { database in
            for number in [1, 2] {
                try database.execute(
                    sql: """
                        INSERT INTO box (number, id, architecture, entrypoint, entries,
                            content_bytes, canonical_bytes, imported_at, slots, service)
                        VALUES (?, ?, 'linux/amd64', '/a', 1, 1, 1, 0, '', x'')
                        """, arguments: [number, Data(repeating: UInt8(number), count: 32)])
                try database.execute(
                    sql: "INSERT INTO object (box, digest, bytes) VALUES (?, ?, 7)",
                    arguments: [number, Self.shared])
            }
            try database.execute(
                sql: "INSERT INTO object (box, digest, bytes) VALUES (2, ?, 9)",
                arguments: [Self.own])
            for digest in [Self.shared, Self.own] {
                try database.execute(
                    sql: "INSERT INTO block (digest, name) VALUES (?, ?)",
                    arguments: [digest, digest])
            }
        }
        return (queue, migrator)
    }

    @Test("keeps what each box needs")
    func needs() throws {
        let (queue, migrator) = try former()
        try migrator.migrate(queue)
        let index = BoxIndex(queue)
        let all = try index.objects(of: nil, after: nil, max: 10)
        #expect(all.map(\.bytes) == [7, 9])
        let first = try #require(try index.boxes(after: nil, max: 1).first)
        #expect(try index.objectCount(of: first.id) == 1)
        #expect(try index.damage().isEmpty)
    }

    /// A box of an earlier build, and how its row was written.
    @Test(
        "says of a box that comes again what was not looked for, unless its row was altered",
        arguments: ["", "UPDATE box SET seal = NULL", "UPDATE box SET entries = 7"])
    func comesAgain(_ change: String) throws {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        BoxIndex.migrate(&migrator)
        try migrator.migrate(queue)
        let index = BoxIndex(queue)
        func record(_ tree: FileTree) throws -> BoxRecord {
            BoxRecord(
                id: try #require(ServiceID([UInt8](repeating: 1, count: 32))), tags: [],
                service: Service(), tree: tree, canonicalBytes: 1, importedAt: 1)
        }
        var tree = FileTree()
        _ = try index.add(try record(tree), objects: [:])
        if !change.isEmpty { try queue.write { try $0.execute(sql: change) } }
        tree.isReadOnly = true
        let (found, isKnown) = try index.add(try record(tree), objects: [:])
        let isAltered = change.contains("entries")
        #expect(isKnown)
        #expect(try TreeTerms(in: found.service).isReadOnly == !isAltered)
        #expect(try index.alteredRows(of: nil).map(\.row) == (isAltered ? ["its row"] : []))
    }

    @Test("gives up an object with the last box that needs it, and the object's name with it")
    func lastBox() throws {
        let (queue, migrator) = try former()
        try migrator.migrate(queue)
        let index = BoxIndex(queue)
        let boxes = try index.boxes(after: nil, max: 2)
        let last = try index.remove(boxes[1].id.description).1
        #expect(last.map { Data($0.key.bytes) } == [Self.own])
        #expect(try index.content(ofBlock: [UInt8](Self.own)) == nil)
        #expect(try index.content(ofBlock: [UInt8](Self.shared)) != nil)
        let shared = try index.remove(boxes[0].id.description).1
        #expect(shared.map { Data($0.key.bytes) } == [Self.shared])
        #expect(try index.content(ofBlock: [UInt8](Self.shared)) == nil)
    }
}
