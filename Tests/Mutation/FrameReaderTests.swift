// The frame reader under every single change of every frozen frame, and under a million random
// ones. Whatever comes, it gives a header that says exactly what the bytes say, or the field at
// fault; and readers that are broken on purpose are found out.

import Testing
import Wire

/// A reader of packets: what the checks below are made against.
typealias Reader = @Sendable (_ packet: [UInt8], _ descriptors: Int) -> FrameHeader?

/// What must hold of any reader.
struct ReaderCheck {
    let read: Reader

    static let real = ReaderCheck { packet, descriptors in
        try? FrameHeader(reading: packet.span, descriptors: descriptors)
    }

    /// Accepted bytes are exactly those the header writes: nothing was overlooked or made up.
    func finding(_ packet: [UInt8], descriptors: Int) -> String? {
        guard let header = read(packet, descriptors) else { return nil }
        guard packet.count >= WireLimits.headerBytes else { return "accepted a short packet" }
        guard packet.count <= WireLimits.packetBytesMax else { return "accepted a long packet" }
        let body = packet.body
        guard Int(header.bodyBytes) == body.count else { return "believed a wrong body length" }
        guard Int(header.descriptors) == descriptors else { return "believed a wrong count" }
        guard header.packet(body: body) == packet else { return "overlooked a byte" }
        guard header.invalid(bodyBytes: body.count, descriptors: descriptors) == nil else {
            return "accepted what it calls invalid"
        }
        return nil
    }

    /// Everything found in every cut, every flip and every descriptor count of a good packet.
    func findings(_ packet: [UInt8]) -> [String] {
        let declared = packet.declaredDescriptors
        var findings: [String] = []
        if read(packet, declared) == nil { findings.append("refused a good frame") }
        for cut in Mutation.cuts(packet) where read(cut, declared) != nil {
            findings.append("accepted a frame cut at \(cut.count)")
        }
        for count in 0...WireLimits.descriptorsMax + 1
        where count != declared && read(packet, count) != nil {
            findings.append("accepted \(count) descriptors for \(declared)")
        }
        for index in packet.indices {
            for changed in Mutation.flips(packet, at: index) {
                if let finding = finding(changed, descriptors: declared) {
                    findings.append("byte \(index): \(finding)")
                }
            }
        }
        if read(packet + [0], declared) != nil { findings.append("accepted a byte too many") }
        return findings
    }
}

@Suite("The frame reader")
struct FrameReaderTests {
    @Test("every cut, flip and wrong descriptor count of a frozen frame is told from a good one")
    func everyChange() {
        for packet in FrozenPackets.all {
            #expect(ReaderCheck.real.findings(packet) == [])
        }
    }

    @Test("a change of a fixed field is refused with that field's name")
    func fieldIsNamed() throws {
        let fields: [(Range<Int>, FrameField)] = [
            (0..<4, .magic), (4..<5, .version), (6..<8, .flags), (12..<16, .bodyLength),
            (32..<34, .descriptors), (34..<40, .reserved),
        ]
        for packet in FrozenPackets.all {
            let declared = packet.declaredDescriptors
            for (range, field) in fields {
                for changed in range.flatMap({ Mutation.flips(packet, at: $0) }) {
                    #expect(throws: FrameViolation(field)) {
                        try FrameHeader(reading: changed.span, descriptors: declared)
                    }
                }
            }
        }
    }

    // LIMIT: 125,000 frames in each of eight runs: a million, in some seconds of a release build.
    @Test(
        "a million random frames are read or refused", .timeLimit(.minutes(10)),
        arguments: Seed.runs(8))
    func randomFrames(seed: Seed) {
        var generator = seed.generator
        let packets = FrozenPackets.all
        var accepted = 0
        for _ in 0..<125_000 {
            let packet: [UInt8]
            if generator.once(in: 8) {
                packet = generator.bytes(generator.below(96))
            } else {
                packet = Mutation.random(packets[generator.below(packets.count)], using: &generator)
            }
            var descriptors = generator.below(WireLimits.descriptorsMax + 2)
            if generator.below(4) > 0, packet.count >= WireLimits.headerBytes {
                descriptors = packet.declaredDescriptors
            }
            if let finding = ReaderCheck.real.finding(packet, descriptors: descriptors) {
                Issue.record("\(seed.testDescription): \(finding) in \(packet)")
                return
            }
            guard let header = ReaderCheck.real.read(packet, descriptors) else { continue }
            accepted += 1
            let body = packet.body
            if let finding = MessageCheck.real.finding(body, of: header) {
                Issue.record("\(seed.testDescription): \(finding) in \(packet)")
                return
            }
        }
        // A run whose frames are all refused by the header would test little else.
        #expect(accepted > 10_000, "only \(accepted) frames were accepted")
    }

    @Test("a reader that overlooks something is found out", arguments: Self.brokenReaders.indices)
    func brokenReaderIsFound(index: Int) {
        let check = ReaderCheck(read: Self.brokenReaders[index])
        #expect(FrozenPackets.all.contains { !check.findings($0).isEmpty })
    }

    @Test("a reader that traps ends the test's process")
    func trappingReaderIsFound() async {
        await #expect(processExitsWith: .failure) {
            let check = ReaderCheck { packet, _ in
                // Trusts the length in the header.
                let count = Int(packet.span.littleEndian32(at: 12))
                _ = packet[WireLimits.headerBytes..<WireLimits.headerBytes + count]
                return nil
            }
            for packet in FrozenPackets.all { _ = check.findings(packet) }
        }
    }

    /// Each leaves one check out, by making the bytes good before it looks.
    static let brokenReaders: [Reader] = [
        reader { packet, _ in packet.withBytes(0, at: 6..<8) },
        reader { packet, _ in packet.withBytes(0, at: 34..<40) },
        reader { packet, _ in packet.withBytes(1, at: 4..<5) },
        reader { packet, _ in
            var packet = packet
            var span = packet.mutableSpan
            span.putLittleEndian(UInt32(span.count - WireLimits.headerBytes), at: 12)
            return packet
        },
        reader { packet, descriptors in
            var packet = packet
            var span = packet.mutableSpan
            span.putLittleEndian(UInt16(truncatingIfNeeded: descriptors), at: 32)
            return packet
        },
        { packet, _ in
            guard packet.count >= WireLimits.headerBytes else { return nil }
            let declared = packet.declaredDescriptors
            return try? FrameHeader(reading: packet.span, descriptors: declared)
        },
        { packet, descriptors in
            let whole = packet + [UInt8](repeating: 0, count: max(0, 40 - packet.count))
            return try? FrameHeader(reading: whole.span, descriptors: descriptors)
        },
        { _, _ in nil },
    ]

    private static func reader(
        _ mend: @escaping @Sendable ([UInt8], Int) -> [UInt8]
    ) -> Reader {
        { packet, descriptors in
            guard packet.count >= WireLimits.headerBytes else { return nil }
            return try? FrameHeader(
                reading: mend(packet, descriptors).span, descriptors: descriptors)
        }
    }
}

extension [UInt8] {
    fileprivate func withBytes(_ value: UInt8, at range: Range<Int>) -> [UInt8] {
        var changed = self
        for index in range { changed[index] = value }
        return changed
    }
}
