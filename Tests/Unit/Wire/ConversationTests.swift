// Two machines, caller and listener, talk to each other over wires of memory, driven by a seeded
// generator: requests, items, credits, cancels, deadlines and time in any order, with frames under
// way for any time. Two honest machines must never find fault with each other.

import Channel
import Interfaces
import Testing
import Wire

@Suite struct ConversationTests {
    @Test(arguments: 0..<100)
    func honestMachinesNeverFindFaultAndEveryRequestEndsOnce(seed: UInt64) throws {
        var talk = Conversation(seed: seed)
        for _ in 0..<1_000 { try talk.step() }
        try talk.finish()
        #expect(talk.ended.count == talk.begun, "seed \(seed)")
        #expect(talk.ended.values.allSatisfy { $0 == 1 }, "seed \(seed)")
    }

    @Test func theSameSeedGivesTheSameConversation() throws {
        var first = Conversation(seed: 7)
        var second = Conversation(seed: 7)
        for _ in 0..<2_000 {
            try first.step()
            try second.step()
        }
        #expect(first.log == second.log)
        #expect(first.log.count > 500)
    }
}

/// SplitMix64: small, and the same everywhere.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// A caller, a listener, and what is under way between them.
struct Conversation {
    struct Broken: Error { let reason: String }

    /// A request at the listener whose handler has not returned.
    struct Work {
        let place: Place
        let transaction: UInt64
        let isStream: Bool
    }

    private let caller = Sample.caller()
    private let listener = Sample.listener()
    private var toListener: [(FrameHeader, [UInt8])] = []
    private var toCaller: [(FrameHeader, [UInt8])] = []
    private var now = Sample.start
    private var random: SplitMix
    private var work: [Work] = []
    /// Open requests of the caller: transaction and whether somebody waits.
    private var open: [UInt64: (place: Place, isStream: Bool, taken: UInt32)] = [:]
    private(set) var begun = 0
    /// How often each transaction ended, for whoever waited.
    private(set) var ended: [UInt64: Int] = [:]
    private(set) var log: [String] = []

    init(seed: UInt64) {
        random = SplitMix(state: seed)
    }

    mutating func step() throws {
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1: begin()
        case 2...4: try deliverToListener()
        case 5...7: try deliverToCaller()
        case 8: answer()
        case 9: sendItem()
        case 10: cancel()
        default: try pass(.milliseconds(Int.random(in: 0..<40, using: &random)))
        }
    }

    /// Lets everything come to its end: handlers return, frames arrive, time passes.
    mutating func finish() throws {
        for _ in 0..<100_000 where !open.isEmpty || !toListener.isEmpty || !toCaller.isEmpty {
            try deliverToListener()
            answer()
            try deliverToCaller()
        }
        try pass(.seconds(60))
        if !open.isEmpty { throw Broken(reason: "\(open.count) requests never ended") }
    }

    private mutating func begin() {
        let isStream = Bool.random(using: &random)
        let method = isStream ? Sample.stream : Sample.unary
        let milliseconds = Int.random(in: 1..<2_000, using: &random)
        let deadline: Duration? = Bool.random(using: &random) ? .milliseconds(milliseconds) : nil
        guard
            let opened = try? caller.begin(method, descriptors: 0, deadline: deadline, now: now)
        else { return }
        begun += 1
        open[opened.header.transaction] = (opened.place, isStream, 0)
        toListener.append((opened.header, []))
    }

    private mutating func deliverToListener() throws {
        guard !toListener.isEmpty else { return }
        let (header, body) = toListener.removeFirst()
        let received = listener.received(header, body: body, now: now)
        log.append("listener \(header.kind) \(header.transaction) \(received.name)")
        switch received {
        case .request(let place, let method):
            work.append(
                Work(
                    place: place, transaction: header.transaction, isStream: method.isStream))
        case .refused(let answer, _): toCaller.append((answer, []))
        case .violation(let farewell): throw Broken(reason: "listener: \(farewell)")
        default: break
        }
    }

    private mutating func deliverToCaller() throws {
        guard !toCaller.isEmpty else { return }
        let (header, body) = toCaller.removeFirst()
        let received = caller.received(header, body: body, now: now)
        log.append("caller \(header.kind) \(header.transaction) \(received.name)")
        switch received {
        case .reply(_, _, let isWaited), .fault(_, let isWaited), .end(_, let isWaited):
            if isWaited { end(header.transaction) }
        case .item(let place, _): take(header.transaction, place)
        case .violation(let farewell): throw Broken(reason: "caller: \(farewell)")
        default: break
        }
    }

    private mutating func take(_ transaction: UInt64, _ place: Place) {
        guard var entry = open[transaction] else { return }
        entry.taken += 1
        if entry.taken >= 8, Bool.random(using: &random) {
            if let header = caller.grant(place, transaction: transaction, items: entry.taken) {
                toListener.append((header, Sample.credit(entry.taken)))
            }
            entry.taken = 0
        }
        open[transaction] = entry
    }

    private mutating func answer() {
        guard !work.isEmpty else { return }
        let done = work.remove(at: Int.random(in: 0..<work.count, using: &random))
        let kind: FrameKind =
            Bool.random(using: &random) ? .fault : done.isStream ? .end : .reply
        if let header = listener.finish(done.place, transaction: done.transaction, kind) {
            toCaller.append((header, []))
        }
    }

    private mutating func sendItem() {
        guard let streaming = work.filter(\.isStream).randomElement(using: &random) else { return }
        if case .send(let header) = listener.item(
            streaming.place, transaction: streaming.transaction)
        {
            toCaller.append((header, []))
        }
    }

    private mutating func cancel() {
        // Sorted, so that the seed alone decides.
        guard let transaction = open.keys.sorted().randomElement(using: &random),
            let entry = open[transaction],
            let header = caller.cancel(entry.place, transaction: transaction, now: now)
        else { return }
        toListener.append((header, []))
    }

    private mutating func pass(_ duration: Duration) throws {
        now = now.advanced(by: duration)
        while true {
            switch listener.tick(now: now) {
            case .expired(_, let header): toCaller.append((header, []))
            case .close(let farewell) where farewell.reason != .idle:
                throw Broken(reason: "\(farewell)")
            default:
                try passAtCaller()
                return
            }
        }
    }

    private mutating func passAtCaller() throws {
        while true {
            switch caller.tick(now: now) {
            case .gaveUp(let place, let cancel, _):
                if let cancel { toListener.append((cancel, [])) }
                for (transaction, entry) in open where entry.place == place {
                    end(transaction)
                }
            case .close(let farewell) where farewell.reason != .idle:
                throw Broken(reason: "\(farewell)")
            default: return
            }
        }
    }

    private mutating func end(_ transaction: UInt64) {
        ended[transaction, default: 0] += 1
        open[transaction] = nil
    }
}
