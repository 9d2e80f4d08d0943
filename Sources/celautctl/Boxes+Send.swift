import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// Giving a box to another node without what that one has, as a command.
extension Boxes {
    /// `celautctl boxes send`: from one node to another, without what that one has.
    struct Send: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends boxes to another node, here or elsewhere.",
            discussion: """
                The other node is asked which contents it has; those are not sent. It computes the id over \
                the whole. To a node elsewhere it goes through any stream of bytes, both ways, to a \
                "celautctl boxes receive" there: the standard streams of a command (--over), or our own \
                (--to -). Of several boxes each goes when the one before has arrived; the first that does \
                not ends it.

                Examples:
                  celautctl boxes send redis --to /var/tmp/other/run --tag redis
                  celautctl boxes send redis web-site --over "ssh HOST celautctl boxes receive"
                  celautctl boxes send redis --over "ssh HOST celautctl boxes receive --tag redis"
                  socat EXEC:"celautctl boxes send redis --to -" TCP:HOST:4040
                """)

        @Argument(help: "The boxes: each by its id, a prefix of 8 digits or more, or a tag.")
        var boxes: [String]
        @Option(
            help: ArgumentHelp(
                "The other node's directory of sockets; - for the standard streams.",
                valueName: "dir"))
        var to: String?
        @Option(
            help: ArgumentHelp(
                "A command of the shell that ends in \"celautctl boxes receive\" elsewhere.",
                valueName: "command"))
        var over: String?
        @Option(name: .shortAndLong, help: "With --to DIR: a tag to list the box under there.")
        var tag = ""
        @OptionGroup var options: NodeOptions

        // LIMIT: contents smaller than this are sent without asking: their names would be a large
        // part of them.
        static let askedBytesMin: UInt64 = 16_384

        struct Report: Encodable {
            let id: String
            let bytesSent: UInt64
            let bytesSaved: UInt64
            let contentsAsked: UInt64
            let contentsKnown: UInt64
            let alreadyPresent: Bool

            var text: String {
                """
                Sent \(id.prefix(16)): \(Words.bytes(bytesSent)); \
                \(Words.bytes(bytesSaved)) were there already.

                """
            }
        }

        func validate() throws {
            guard (to == nil) != (over == nil) else {
                throw ValidationError("Name where the box goes: --to or --over, one of them.")
            }
            guard tag.isEmpty || (over == nil && to != "-") else {
                throw ValidationError("Who receives the box names it: boxes receive --tag.")
            }
            guard tag.isEmpty || boxes.count == 1 else {
                throw ValidationError("A tag names one box: send it alone.")
            }
        }

        func run() {
            let format = options.format
            Session.run(options) { session, _ async throws(Complaint) in
                let stream: Terminal.Stream = to == "-" ? .error : .output
                var reports: [Report] = []
                let sent = await Self.outcome { () async throws(Complaint) in
                    try await send(session) { report in
                        reports.append(report)
                        if format == .table { Printer.emit(Array(report.text.utf8), to: stream) }
                    }
                }
                // What arrived has arrived, also where a later box did not.
                if format == .json, let first = reports.first {
                    if boxes.count > 1 {
                        Printer.json(reports, to: stream)
                    } else {
                        Printer.json(first, to: stream)
                    }
                }
                try sent.get()
                return .success
            }
        }

        private func send(
            _ session: Session, _ tell: (Report) -> Void
        ) async throws(Complaint) {
            if let over {
                let (sent, pid) = try await sent(over: over, session, tell)
                // Its complaint, where it has one, comes before ours.
                _ = await session.loop.runBlocking { try? Process.wait(pid: pid) }
                return try sent.get()
            }
            guard let to, to != "-" else {
                return try await BoxSending(session: session, stream: .standard())
                    .send(boxes, tell)
            }
            let other = Session(loop: session.loop, runtime: to)
            for box in boxes { tell(try await send(box, from: session, to: other)) }
        }

        /// The stream is closed when this returns, so that the command can end.
        private func sent(
            over command: String, _ session: Session, _ tell: (Report) -> Void
        ) async throws(Complaint) -> (Result<Void, Complaint>, pid: Int32) {
            let (stream, pid) = try ExchangeStream.over(command)
            let sent = await Self.outcome { () async throws(Complaint) in
                try await BoxSending(session: session, stream: stream).send(boxes, tell)
            }
            return (sent, pid)
        }

        private func send(
            _ box: String, from session: Session, to other: Session
        ) async throws(Complaint) -> Report {
            let (id, contents) = try await session.contents(of: box, bytesMin: Self.askedBytesMin)
            let missing = try await other.missing(among: contents)
            let known = Self.known(contents, without: missing)
            var request = ExportBoxRequest()
            request.box = Words.hex(id)
            request.codec = .bee
            request.blockBytesMin = Self.askedBytesMin
            var taking = ImportPackageRequest()
            taking.codec = .bee
            taking.expectedIDBytes = id
            taking.tag = tag
            let (source, target) = try Self.pipe(known)
            let (asked, wanted) = (request, taking)
            async let receiving = Self.outcome { () async throws(Complaint) in
                try await other.importPackage(wanted, source) { _ in }
            }
            var progress = ProgressLine()
            let sent = await Self.outcome { () async throws(Complaint) in
                try await session.export(asked, target) {
                    progress.show(
                        "sending: \(Words.bytes($0.bytes)) of \(Words.bytes($0.bytesTotal))")
                }
            }
            progress.clear()
            let received = await receiving
            // Whoever failed first explains more than the one whose pipe broke.
            if case .failure(let complaint) = sent, complaint.fault?.reason != .badDescriptor {
                throw complaint
            }
            let box = try received.get()
            let summary = try sent.get()
            return Report(
                id: box.id, bytesSent: summary.bytes, bytesSaved: summary.bytesSkipped,
                contentsAsked: UInt64(contents.count / 32), contentsKnown: UInt64(known.count / 32),
                alreadyPresent: box.alreadyPresent)
        }

        static func outcome<Value>(
            _ work: () async throws(Complaint) -> Value
        ) async -> Result<Value, Complaint> {
            do throws(Complaint) {
                return .success(try await work())
            } catch {
                return .failure(error)
            }
        }

        static func pipe(_ known: [UInt8]) throws(Complaint) -> (Parcel, Parcel) {
            do throws(Errno) {
                let ends = try Pipe()
                let target = Parcel(try ends.writing.duplicate())
                target.append(try Memfd.sealed(known))
                return (Parcel(ends.keepReading()), target)
            } catch {
                throw Complaint("A pipe cannot be made: \(error).", code: .software)
            }
        }

        /// Digests of one list that are not in another.
        static func known(_ all: [UInt8], without missing: [UInt8]) -> [UInt8] {
            let missing = Set(digests(missing))
            return Array(digests(all).filter { !missing.contains($0) }.joined())
        }

        private static func digests(_ list: [UInt8]) -> [ArraySlice<UInt8>] {
            stride(from: 0, to: list.count - list.count % 32, by: 32).map {
                list[$0..<($0 + 32)]
            }
        }
    }
}

extension Session {
    // LIMIT: bytes of a list of digests: what a node answers with at most.
    private static let listBytesMax = 400_000 * 32

    /// The id of a box, and the SHA-256 of its contents, one behind the other.
    func contents(
        of box: String, bytesMin: UInt64
    ) async throws(Complaint) -> ([UInt8], [UInt8]) {
        var request = ListContentsRequest()
        request.box = box
        request.bytesMin = bytesMin
        let asked = request
        let (reply, parcel) = try await self.asked { () async throws(Fault) in
            try await boxBuilder.listContents(asked)
        }
        return (reply.serviceIDBytes, try Self.list(parcel))
    }

    /// Those of some digests that this node does not have.
    func missing(among digests: [UInt8]) async throws(Complaint) -> [UInt8] {
        var request = MissingContentsRequest()
        request.kind = .sha2256
        let asked = request
        let list: Parcel
        do throws(Errno) {
            list = Parcel(try Memfd.sealed(digests))
        } catch {
            throw Complaint("A list cannot be handed over: \(error).", code: .software)
        }
        let (_, parcel) = try await self.asked { () async throws(Fault) in
            try await boxBuilder.missingContents(asked, descriptors: list)
        }
        return try Self.list(parcel)
    }

    private static func list(_ parcel: Parcel) throws(Complaint) -> [UInt8] {
        do throws(Errno) {
            guard let file = parcel.take(0) else { throw Errno.noEntry }
            try File.seek(file, to: 0)
            return try File.readAll(file, limit: listBytesMax)
        } catch {
            throw Complaint("The node's list cannot be read: \(error).", code: .software)
        }
    }
}
