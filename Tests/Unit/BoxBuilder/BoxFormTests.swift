import ServiceModel
import Testing
import box_builder

/// What a form says, read in runs of a size; nil for one that is damaged or cut.
private func pieces(_ form: [UInt8], runs: Int = .max) -> [BoxForm.Piece]? {
    var reader = BoxFormReader()
    var pieces: [BoxForm.Piece] = []
    var rest = form[...]
    while !rest.isEmpty {
        let run = rest.prefix(runs)
        rest = rest.dropFirst(run.count)
        guard reader.feed(run, { pieces.append($0) }) else { return nil }
    }
    return reader.isWhole ? pieces : nil
}

/// Literals put together.
private func joined(_ pieces: [BoxForm.Piece]) -> [BoxForm.Piece] {
    var joined: [BoxForm.Piece] = []
    for piece in pieces {
        if case .literal(let more) = piece, case .literal(let bytes)? = joined.last {
            joined[joined.count - 1] = .literal((bytes + more)[...])
        } else if case .literal(let bytes) = piece {
            joined.append(.literal(Array(bytes)[...]))
        } else {
            joined.append(piece)
        }
    }
    return joined
}

private func makeDigest() throws -> ContentDigest {
    try #require(ContentDigest((0..<32).map { UInt8($0) }))
}

@Suite("The form of a box is its bytes without the contents")
struct BoxFormTests {
    @Test("What was written is read, in runs of any size", arguments: [1, 3, 40, .max])
    func roundTrip(runs: Int) throws {
        let digest = try makeDigest()
        let attributes = CanonicalForm.attributeBytes(FileAttributes(mode: 0o100755))
        let owned = CanonicalForm.attributeBytes(FileAttributes(mode: 0o100755, uid: 7))
        var writer = BoxFormWriter()
        writer.literal([1, 2, 3])
        writer.literal(attributes)
        writer.content(digest, bytes: 1 << 40)
        writer.literal(attributes + attributes + [0x2A, 9])
        writer.literal(owned)
        writer.literal([UInt8](repeating: 0x2A, count: 200_000))
        writer.finish()
        let form = writer.take()
        #expect(
            joined(try #require(pieces(form, runs: runs))) == [
                .literal(([1, 2, 3] + attributes)[...]), .content(digest, bytes: 1 << 40),
                .literal(
                    (attributes + attributes + [0x2A, 9] + owned
                        + [UInt8](repeating: 0x2A, count: 200_000))[...]),
            ])
    }

    @Test("The attributes that most entries have take three bytes")
    func token() {
        var writer = BoxFormWriter()
        writer.literal(CanonicalForm.attributeBytes(FileAttributes(mode: 0o100644)))
        writer.finish()
        #expect(writer.take().count == 1 + 3)
    }

    @Test("A form cut at any byte inside a piece is not whole, and none traps with a bit flipped")
    func damage() throws {
        let digest = try makeDigest()
        var writer = BoxFormWriter()
        writer.literal([1, 2, 3])
        writer.content(digest, bytes: 300)
        writer.literal(CanonicalForm.attributeBytes(FileAttributes(mode: 0o100644)))
        writer.finish()
        let form = writer.take()
        let ends = [1, 5, 5 + 34, form.count]
        for count in 0...form.count {
            #expect((pieces(Array(form[..<count])) != nil) == ends.contains(count), "\(count)")
        }
        for index in form.indices {
            for bit in 0..<8 {
                var altered = form
                altered[index] ^= 1 << bit
                _ = pieces(altered, runs: 3)
            }
        }
    }
}
