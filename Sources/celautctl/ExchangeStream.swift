package import Interfaces
package import Syscalls

/// A stream of bytes to another node's `celautctl`, both ways: its frames (Protocols/box_exchange.proto).
///
/// Keeps true: what comes is read frame by frame, within a bound, and nothing of it is believed; a side
/// that does nothing is not waited for for ever: the node's import or export would be kept with it.
/// Reading and writing block: they are for worker threads.
package struct ExchangeStream: Sendable {
    // LIMIT: bytes of a frame: those of every message between daemons.
    private static let frameBytesMax = 65_536
    // LIMIT: bytes of a box, or of a list of digests, in a frame: with what is around them they fit.
    static let pieceBytesMax = 61_440

    // LIMIT: how long the other side may do nothing, in milliseconds: as the node waits (PeerWait). It is
    // silent while its node hashes, waits for its turn or writes to its disk.
    package static let idleMilliseconds: Int32 = 1_800_000
    // LIMIT: milliseconds between two looks at what the other side says while it takes nothing.
    private static let stepMilliseconds: Int32 = 100
    // LIMIT: bytes of one write: PIPE_BUF of Linux. A pipe that can be written to has room for so many.
    private static let writeBytes = 4_096

    private let input: SharedDescriptor
    private let output: SharedDescriptor
    private let idleMilliseconds: Int32

    package init(
        _ input: consuming Descriptor, _ output: consuming Descriptor,
        idleMilliseconds: Int32 = ExchangeStream.idleMilliseconds
    ) {
        self.input = SharedDescriptor(input)
        self.output = SharedDescriptor(output)
        self.idleMilliseconds = idleMilliseconds
    }

    /// Our own standard streams.
    static func standard() throws(Complaint) -> ExchangeStream {
        guard !Terminal.isTerminal(.input), !Terminal.isTerminal(.output),
            let input = Terminal.duplicate(.input), let output = Terminal.duplicate(.output)
        else {
            throw Complaint(
                "There is no other node at the standard streams.",
                hint: "Connect them: celautctl boxes send BOX --over "
                    + "\"ssh HOST celautctl boxes receive\"", code: .usage)
        }
        return ExchangeStream(input, output)
    }

    /// The standard streams of a command of the shell, which is started.
    static func over(_ command: String) throws(Complaint) -> (ExchangeStream, pid: Int32) {
        do throws(Errno) {
            let to = try Pipe()
            let from = try Pipe()
            var plan = SpawnPlan(path: "/bin/sh", arguments: ["sh", "-c", command])
            plan.environment = Process.environment()
            plan.give(to.reading, as: 0)
            plan.give(from.writing, as: 1)
            plan.give(standardStream: 2, as: 2)
            let pid = try started(plan)
            return (ExchangeStream(from.keepReading(), to.keepWriting()), pid)
        } catch {
            throw Complaint("\"\(command)\" cannot be started: \(error).", code: .software)
        }
    }

    private static func started(_ plan: borrowing SpawnPlan) throws(Errno) -> Int32 {
        do throws(SpawnFailure) {
            return try Process.spawn(plan)
        } catch {
            throw error.errno
        }
    }

    // MARK: Frames

    /// - Returns: nil where the other side ended the stream.
    package func read() throws(Complaint) -> ExchangeFrame.OneOf_Event? {
        guard let head = try bytes(4) else { return nil }
        let length = head.reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.frameBytesMax, let body = try bytes(length) else { throw .noExchange }
        let frame: ExchangeFrame
        do throws(Fault) {
            frame = try Body.decode(request: body)
        } catch {
            throw .noExchange
        }
        guard let event = frame.event else { throw .noExchange }
        return event
    }

    /// - Parameter unlessNews: what the other side says while it takes nothing leaves the frame as it is:
    ///   it may not read to the end what it has refused.
    /// - Returns: false where that happened.
    @discardableResult
    package func write(
        _ event: ExchangeFrame.OneOf_Event, unlessNews: Bool = false
    ) throws(Complaint) -> Bool {
        var frame = ExchangeFrame()
        frame.event = event
        let body: [UInt8]
        do throws(Fault) {
            body = try Body.encode(frame)
        } catch {
            throw Complaint(error)
        }
        let length = UInt32(body.count)
        let head = stride(from: 24, through: 0, by: -8).map {
            UInt8(truncatingIfNeeded: length >> UInt32($0))
        }
        do throws(Errno) {
            return try write(head + body, unlessNews: unlessNews)
        } catch .timedOut {
            throw idle("taken")
        } catch {
            throw Complaint("The stream cannot be written: \(error).", code: .unavailable)
        }
    }

    private func write(_ bytes: [UInt8], unlessNews: Bool) throws(Errno) -> Bool {
        // SAFETY: bytes have no padding.
        let run = unsafe bytes.span.bytes
        var written = 0
        var waited: Int32 = 0
        while written < run.byteCount {
            if try File.waitWritable(output.descriptor, milliseconds: Self.stepMilliseconds) {
                let end = min(written + Self.writeBytes, run.byteCount)
                written += try File.write(output.descriptor, run.extracting(written..<end))
                waited = 0
            } else {
                if unlessNews, hasNews { return false }
                waited += Self.stepMilliseconds
                guard waited < idleMilliseconds else { throw .timedOut }
            }
        }
        return true
    }

    private func idle(_ done: String) -> Complaint {
        Complaint(
            "The other side has \(done) nothing for \(idleMilliseconds / 1_000) seconds.",
            hint: "See if it is still there, and repeat the command: what arrived whole is kept.",
            code: .unavailable)
    }

    /// Whether the other side says something, or ended the stream.
    var hasNews: Bool {
        (try? File.waitReadable(input.descriptor, milliseconds: 0)) ?? true
    }

    /// nil at the end.
    private func bytes(_ count: Int) throws(Complaint) -> [UInt8]? {
        var all: [UInt8] = []
        do throws(Errno) {
            while all.count < count {
                guard try File.waitReadable(input.descriptor, milliseconds: idleMilliseconds)
                else { throw .timedOut }
                let more = try File.read(input.descriptor, max: count - all.count)
                if more.isEmpty { return nil }
                all += more
            }
        } catch .timedOut {
            throw idle("said")
        } catch {
            throw Complaint("The stream cannot be read: \(error).", code: .unavailable)
        }
        return all
    }
}

extension Complaint {
    static let noExchange = Complaint(
        "What the other side says is no exchange of boxes.",
        hint: "It must be \"celautctl boxes receive\", or \"celautctl boxes send\", and nothing "
            + "else on its standard output.", code: .invalidInput)

    /// - Parameter what: what was waited for.
    static func exchangeEnded(_ what: String) -> Complaint {
        Complaint(
            "The other side ended the stream before its \(what).",
            hint: "Its own complaint is on its standard error.", code: .unavailable)
    }
}
