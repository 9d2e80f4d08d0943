import ServiceModel
import Testing
import box_builder

/// A package as its events, read in runs of a size.
private func events(
    of package: [UInt8], runs: Int = .max
) throws(PackageError) -> [BeeReader.Event] {
    var reader = BeeReader()
    var events: [BeeReader.Event] = []
    var rest = package[...]
    while !rest.isEmpty {
        var run = rest.prefix(runs)
        rest = rest.dropFirst(run.count)
        while let event = try reader.next(&run) { events.append(event) }
    }
    try reader.end()
    return events
}

/// What events say, chunks put together: where chunks are cut means nothing.
private func joined(_ events: [BeeReader.Event]) -> [BeeReader.Event] {
    var joined: [BeeReader.Event] = []
    for event in events {
        if case .bytes(let more) = event, case .bytes(let bytes)? = joined.last {
            joined[joined.count - 1] = .bytes((bytes + more)[...])
        } else if case .bytes(let bytes) = event {
            joined.append(.bytes(Array(bytes)[...]))
        } else {
            joined.append(event)
        }
    }
    return joined
}

private func name(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 32) }

private func sample(inner: Bool = true) -> [UInt8] {
    var writer = BeeWriter()
    writer.metadata([1, 2, 3])
    writer.service()
    writer.bytes([10, 11])
    writer.blockBegins(BeeRecord.Block(sha3: name(1), positions: [1, 300]))
    writer.bytes([12, 13, 14])
    if inner {
        writer.blockBegins(BeeRecord.Block(sha3: name(2)))
        writer.bytes([15])
        writer.blockEnds()
    }
    writer.blockEnds()
    writer.bytes([16])
    writer.end()
    return writer.take()
}

@Suite("Packages are read and written record by record")
struct BeeTests {
    @Test("What was written is read, in runs of any size", arguments: [1, 2, 3, 7, 64, .max])
    func roundTrip(runs: Int) throws {
        #expect(
            joined(try events(of: sample(), runs: runs)) == [
                .metadata([1, 2, 3]), .service, .bytes([10, 11]),
                .blockBegins(BeeRecord.Block(sha3: name(1), positions: [1, 300])),
                .bytes([12, 13, 14]), .blockBegins(BeeRecord.Block(sha3: name(2))), .bytes([15]),
                .blockEnds, .blockEnds, .bytes([16]), .serviceEnds,
            ])
    }

    @Test("The bytes of a small package are the documented ones")
    func golden() {
        var writer = BeeWriter()
        writer.metadata([0xAA])
        writer.service()
        writer.bytes([0xBB])
        writer.end()
        #expect(
            writer.take() == [
                0, 0, 0, 9, 0x0A, 1, 0xAA, 0x10, 1, 0x22, 2, 0x08, 1,
                0, 0, 0, 4, 0x22, 2, 0x08, 2,
                0, 0, 0, 3, 0x0A, 1, 0xBB,
                0, 0, 0, 2, 0x10, 1,
            ])
    }

    @Test("A pointer with its type has 70 bytes, and one without 36")
    func pointers() {
        var block = BeeRecord.Block(sha3: name(7))
        #expect(block.encoded().count == 70)
        block.hashes[0].type = []
        #expect(block.encoded().count == 36)
        #expect(block.names.isEmpty)
    }

    @Test("A block goes by every digest of a known algorithm, the same one first in any order")
    func names() {
        var block = BeeRecord.Block()
        block.hashes = [
            Hash(.blake2b, value: name(3)), Hash(.sha2, value: name(2)),
            Hash(.sha3, value: [1]), Hash(),
        ]
        let expected = [BlockName(.sha2, name(2)), BlockName(.blake2b, name(3))]
        #expect(block.names == expected)
        block.hashes.reverse()
        #expect(block.names == expected)
        #expect(BlockName(.blake2b, Hash.Algorithm.blake2b.type).isOfNothing)
    }

    @Test("A long message is cut into chunks of at most 1 MiB")
    func chunks() throws {
        var writer = BeeWriter()
        writer.service()
        writer.bytes([UInt8](repeating: 5, count: 2_500_000))
        writer.end()
        let sizes = try events(of: writer.take()).compactMap { event -> Int? in
            if case .bytes(let bytes) = event { bytes.count } else { nil }
        }
        #expect(sizes == [1 << 20, 1 << 20, 2_500_000 - 2 << 20])
    }

    @Test("A package cut at any byte is refused as one that ends early")
    func cuts() {
        let whole = sample()
        for count in 0..<whole.count {
            #expect(throws: PackageError.self, "cut at \(count)") {
                do throws(PackageError) {
                    _ = try events(of: Array(whole[..<count]), runs: 5)
                } catch {
                    #expect(error.condition == .truncated)
                    #expect(error.offset == UInt64(count))
                    throw error
                }
            }
        }
    }

    @Test("A package with any bit flipped is read or refused, and never traps")
    func flips() {
        let whole = sample()
        var refused = 0
        for index in whole.indices {
            for bit in 0..<8 {
                var altered = whole
                altered[index] ^= 1 << bit
                do throws(PackageError) {
                    _ = try events(of: altered, runs: 11)
                } catch {
                    refused += 1
                    #expect(error.offset <= UInt64(whole.count))
                }
            }
        }
        // Many flips only change a chunk's content, which a digest has to notice.
        #expect(refused > whole.count)
    }

    @Test("A record with a length past its bound is refused before it is held")
    func longRecord() {
        #expect(
            throws: PackageError(
                .tooLarge(limit: UInt64(BeeRecord.bytesMax), actual: 0x7FFF_FFFF), 0)
        ) {
            _ = try events(of: [0x7F, 0xFF, 0xFF, 0xFF])
        }
    }

    @Test("Records that are not where they can be are refused", arguments: [0, 1, 2, 3, 4, 5, 6])
    func misplaced(which: Int) {
        var first = BeeRecord()
        var second = BeeRecord()
        second.head = BeeRecord.Head(2)
        switch which {
        case 0: first.chunk = [1]
        case 1: first.isSeparator = true
        case 2: first.head = BeeRecord.Head(3)
        case 3: first.block = BeeRecord.Block(sha3: name(1))
        case 4: first.head = BeeRecord.Head(2)
        case 5:
            first.head = BeeRecord.Head(2)
            first.block = BeeRecord.Block(sha3: name(1))
            second = BeeRecord()
            second.isSeparator = true
        default:
            first.head = BeeRecord.Head(2)
            second = BeeRecord()
            second.block = BeeRecord.Block()
        }
        var bytes: [UInt8] = []
        for record in [first, second] {
            let body = record.encoded()
            bytes += [0, 0, 0, UInt8(body.count)] + body
        }
        #expect(throws: PackageError.self) { _ = try events(of: bytes) }
    }

    @Test("Blocks nest up to their bound and no further")
    func depth() throws {
        func nested(_ depth: Int) -> [UInt8] {
            var writer = BeeWriter()
            writer.service()
            for level in 0..<depth {
                writer.blockBegins(BeeRecord.Block(sha3: name(UInt8(level))))
            }
            for _ in 0..<depth { writer.blockEnds() }
            writer.end()
            return writer.take()
        }
        _ = try events(of: nested(BeeReader.blockDepthMax))
        #expect(throws: PackageError.self) {
            _ = try events(of: nested(BeeReader.blockDepthMax + 1))
        }
    }
}
