import Channel
import Interfaces
import ServiceModel
import Syscalls

/// Takes boxes from a sender at the other end of a stream, one after the other, until it ends.
struct BoxReceiving {
    let session: Session
    let stream: ExchangeStream

    // LIMIT: bytes of the list of a box's contents: as many as a tree has entries.
    private static let listBytesMax = 400_000 * 32

    /// - Parameters:
    ///   - expected: the id it must have; nil for any.
    ///   - tag: what to list it under, which is one box; may be empty.
    ///   - tell: hears of each that was taken.
    func receive(
        expecting expected: [UInt8]?, tag: String, _ tell: (BoxReport) -> Void
    ) async throws(Complaint) {
        var hello = ExchangeHello()
        hello.codecsBytes = Codecs.ours.encoded
        var taken: UInt64 = 0
        do throws(Complaint) {
            try await say(.hello(hello))
        } catch {
            throw await refused(error)
        }
        while true {
            let request: ImportPackageRequest
            do throws(Complaint) {
                guard let offer = try await offered(isFirst: taken == 0) else { return }
                guard tag.isEmpty || taken == 0 else {
                    throw Complaint(
                        .limitReached(subject: "boxes of one --tag", limit: 1, actual: 2))
                }
                request = try await agreed(offer, expected, tag)
            } catch {
                throw await refused(error)
            }
            tell(try await take(request))
            taken += 1
        }
    }

    /// The sender hears why; what was on its way is read past until it has.
    private func refused(_ complaint: Complaint) async -> Complaint {
        await refuse(complaint)
        await drain()
        return complaint
    }

    /// Says what of an offered box is not here.
    private func agreed(
        _ offered: (ExchangeOffer, contents: [UInt8]), _ expected: [UInt8]?, _ tag: String
    ) async throws(Complaint) -> ImportPackageRequest {
        let (offer, contents) = offered
        guard let codec = CodecName(rawValue: offer.codec) else {
            throw Complaint(
                Fault(
                    .unsupported, subject: "codec \(Words.printable(offer.codec))",
                    lines: CodecName.allCases.map(\.rawValue)))
        }
        guard expected == nil || expected == offer.serviceIDBytes else {
            throw Complaint(
                Fault(
                    .corrupt, subject: Words.hex(expected ?? []),
                    lines: [Words.hex(offer.serviceIDBytes)]))
        }
        let missing = contents.isEmpty ? [] : try await session.missing(among: contents)
        let stream = stream
        try await session.loop.runBlocking { () throws(Complaint) in
            try stream.write(list: missing)
        }
        var request = ImportPackageRequest()
        request.codec = codec.codec
        request.expectedIDBytes = offer.serviceIDBytes
        request.tag = tag
        return request
    }

    /// - Returns: nil where the sender has ended, which it may behind a box.
    private func offered(
        isFirst: Bool
    ) async throws(Complaint) -> (ExchangeOffer, contents: [UInt8])? {
        let stream = stream
        return try await session.loop.runBlocking { () throws(Complaint) in
            switch try stream.read() {
            case .offer(let offer)?:
                guard offer.serviceID.count == 32 else { throw .noExchange }
                return (offer, try stream.readList(bytesMax: Self.listBytesMax))
            case .end(let end)? where !isFirst && !end.hasFault: return nil
            case nil where !isFirst: return nil
            case nil: throw .exchangeEnded("offer")
            default: throw .noExchange
            }
        }
    }

    /// Has what comes taken in by way of a pipe.
    private func take(_ request: ImportPackageRequest) async throws(Complaint) -> BoxReport {
        let (source, target) = try Boxes.Send.pipe([])
        let (stream, loop) = (stream, session.loop)
        async let passing = Boxes.Send.outcome { () async throws(Complaint) in
            try await loop.runBlocking { () throws(Complaint) in
                try Self.pieces(of: stream, to: target)
            }
        }
        var progress = ProgressLine()
        let made = await Boxes.Send.outcome { () async throws(Complaint) in
            try await session.importPackage(request, source) {
                progress.show("receiving: \(Words.bytes($0.bytes))")
            }
        }
        progress.clear()
        switch made {
        case .success(let report):
            _ = await passing
            var outcome = ExchangeOutcome()
            outcome.alreadyPresent = report.alreadyPresent
            try? await say(.outcome(outcome))
            return report
        case .failure(let complaint):
            // Told before the rest of the box has come, but where the sender knows why it is cut.
            let isCut = complaint.fault?.reason == .truncated
            if !isCut { await refuse(complaint) }
            let passed = await passing
            if isCut { await refuse(complaint) }
            try passed.get()
            throw complaint
        }
    }

    /// - Throws: what the sender says where the box is not whole.
    private static func pieces(of stream: ExchangeStream, to target: Parcel) throws(Complaint) {
        guard let pipe = target.take(0) else { return }
        var isTaken = true
        while true {
            switch try stream.read() {
            case .piece(let piece)?:
                guard isTaken else { continue }
                do throws(Errno) {
                    try File.writeAll(pipe, Array(piece))
                } catch {
                    // The node wants no more of it, and says why.
                    isTaken = false
                }
            case .end(let end)?:
                guard end.hasFault else { return }
                throw Complaint(received: end.fault)
            case nil: throw .exchangeEnded("end")
            default: throw .noExchange
            }
        }
    }

    private func refuse(_ complaint: Complaint) async {
        var outcome = ExchangeOutcome()
        outcome.fault = complaint.sent.message
        // Who is gone need not hear it.
        try? await say(.outcome(outcome))
    }

    private func say(_ event: ExchangeFrame.OneOf_Event) async throws(Complaint) {
        let stream = stream
        try await session.loop.runBlocking { () throws(Complaint) in _ = try stream.write(event) }
    }

    /// Reads to the end of what the sender says.
    private func drain() async {
        let stream = stream
        await session.loop.runBlocking {
            while true {
                switch try? stream.read() {
                case .end?, nil: return
                default: continue
                }
            }
        }
    }
}
