import Channel
import Interfaces
import ServiceModel
import Syscalls

/// Gives boxes to a receiver at the other end of a stream, one after the other, without what that one
/// has.
struct BoxSending {
    let session: Session
    let stream: ExchangeStream

    /// - Parameter tell: hears of each box that was taken.
    func send(
        _ boxes: [String], _ tell: (Boxes.Send.Report) -> Void
    ) async throws(Complaint) {
        let codec = try Self.codec(for: try await next("greeting"))
        for box in boxes { tell(try await send(box, codec)) }
        let stream = stream
        await session.loop.runBlocking {
            // A receiver that takes one box has gone.
            _ = try? stream.write(.end(ExchangeEnd()))
        }
    }

    private func send(
        _ box: String, _ codec: CodecName
    ) async throws(Complaint) -> Boxes.Send.Report {
        let (id, contents) = try await session.contents(
            of: box, bytesMin: codec == .bee ? Boxes.Send.askedBytesMin : .max)
        var offer = ExchangeOffer()
        offer.serviceIDBytes = id
        offer.codec = codec.rawValue
        let (stream, offered) = (stream, offer)
        try await session.loop.runBlocking { () throws(Complaint) in
            try stream.write(.offer(offered))
            try stream.write(list: contents)
        }
        let missing = try await wanted(of: contents.count)
        let known = Boxes.Send.known(contents, without: missing)
        var request = ExportBoxRequest()
        request.box = Words.hex(id)
        request.codec = codec.codec
        request.blockBytesMin = Boxes.Send.askedBytesMin
        let summary = try await pass(request, known)
        guard case .outcome(let outcome) = try await next("outcome") else { throw .noExchange }
        try Self.check(outcome)
        return Boxes.Send.Report(
            id: Words.hex(id), bytesSent: summary.bytes, bytesSaved: summary.bytesSkipped,
            contentsAsked: UInt64(contents.count / 32), contentsKnown: UInt64(known.count / 32),
            alreadyPresent: outcome.alreadyPresent)
    }

    /// What the receiver says next.
    private func next(_ what: String) async throws(Complaint) -> ExchangeFrame.OneOf_Event {
        let stream = stream
        return try await session.loop.runBlocking { () throws(Complaint) in
            guard let event = try stream.read() else { throw .exchangeEnded(what) }
            if case .outcome(let outcome) = event { try Self.check(outcome) }
            return event
        }
    }

    /// What the box goes in: the package where the receiver reads the canonical bytes, which alone can
    /// leave contents out; else the first codec of ours that it names.
    private static func codec(
        for event: ExchangeFrame.OneOf_Event
    ) throws(Complaint) -> CodecName {
        guard case .hello(let hello) = event, let theirs = Codecs(hello.codecsBytes) else {
            throw .noExchange
        }
        return try CodecName(common: theirs) == .proto3 ? .bee : CodecName(common: theirs)
    }

    private func wanted(of most: Int) async throws(Complaint) -> [UInt8] {
        let stream = stream
        return try await session.loop.runBlocking { () throws(Complaint) in
            try stream.readList(bytesMax: most)
        }
    }

    /// Has the box written into a pipe, and passes on what comes out of it.
    private func pass(
        _ request: ExportBoxRequest, _ known: [UInt8]
    ) async throws(Complaint) -> ExportSummary {
        let (source, target) = try Boxes.Send.pipe(known)
        let (stream, loop) = (stream, session.loop)
        async let passing = Boxes.Send.outcome { () async throws(Complaint) in
            try await loop.runBlocking { () throws(Complaint) in
                try Self.pieces(of: source, to: stream)
            }
        }
        var progress = ProgressLine()
        let made = await Boxes.Send.outcome { () async throws(Complaint) in
            try await session.export(request, target) {
                progress.show("sending: \(Words.bytes($0.bytes)) of \(Words.bytes($0.bytesTotal))")
            }
        }
        progress.clear()
        // Whoever refused explains more than the one whose pipe broke.
        try await passing.get()
        var end = ExchangeEnd()
        if case .failure(let complaint) = made { end.fault = complaint.sent.message }
        let ended = end
        try await loop.runBlocking { () throws(Complaint) in _ = try stream.write(.end(ended)) }
        return try made.get()
    }

    /// - Throws: what the receiver says where it refuses before the end.
    private static func pieces(of source: Parcel, to stream: ExchangeStream) throws(Complaint) {
        // Closed when this returns: an export that nobody reads then ends.
        guard let pipe = source.take(0) else { return }
        var buffer = [UInt8](repeating: 0, count: ExchangeStream.pieceBytesMax)
        while true {
            let count: Int
            do throws(Errno) {
                count = try File.read(pipe, into: &buffer)
            } catch {
                throw Complaint("The box cannot be read: \(error).", code: .software)
            }
            if count == 0 { return }
            var frame = ExchangeFrame()
            frame.pieceBytes = Array(buffer[..<count])
            if !stream.hasNews {
                let isTaken = try stream.write(.piece(frame.piece), unlessNews: true)
                if isTaken { continue }
            }
            guard case .outcome(let outcome)? = try stream.read() else {
                throw .exchangeEnded("outcome")
            }
            try check(outcome)
            throw .noExchange
        }
    }

    private static func check(_ outcome: ExchangeOutcome) throws(Complaint) {
        guard outcome.hasFault else { return }
        throw Complaint(received: outcome.fault)
    }
}

extension ExchangeStream {
    /// Digests, in as many frames as they need.
    func write(list: [UInt8]) throws(Complaint) {
        var rest = list[...]
        repeat {
            var part = ExchangeList()
            part.digestsBytes = Array(rest.prefix(Self.pieceBytesMax))
            rest = rest.dropFirst(Self.pieceBytesMax)
            part.last = rest.isEmpty
            try write(.listed(part))
        } while !rest.isEmpty
    }

    /// - Parameter bytesMax: past which it is refused.
    func readList(bytesMax: Int) throws(Complaint) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            switch try read() {
            case .listed(let part)?:
                all += part.digestsBytes
                guard all.count <= bytesMax, all.count.isMultiple(of: 32) else { throw .noExchange }
                if part.last { return all }
            case .outcome(let outcome)? where outcome.hasFault:
                throw Complaint(received: outcome.fault)
            case nil: throw .exchangeEnded("list")
            default: throw .noExchange
            }
        }
    }
}

extension Complaint {
    /// What the other side says is wrong. It may say anything: nothing of it reaches the terminal but
    /// what is printed.
    init(received message: WireFault) {
        var fault = Fault(message)
        fault.subject = Words.printable(fault.subject)
        fault.lines = fault.lines.map(Words.printable)
        self.init(fault)
        text = "At the other side: \(text)"
    }

    /// What the other side is told.
    var sent: Fault {
        fault ?? Fault(code == .invalidInput ? .invalid : .unavailable, subject: text)
    }
}
