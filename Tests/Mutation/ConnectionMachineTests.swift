// The connection machine under frames that are good, nearly good and random, from both sides. It
// never traps, never holds more than its bound, says nothing after the end, and as a listener
// agrees with a second writing of the contract; a machine that did not would be found out.

import Channel
import Interfaces
import SwiftProtobuf
import Testing
import Wire

/// Frames for a machine, good ones more often than not.
struct FrameMaker {
    var generator: SplitMix
    private var nextTransaction: UInt64 = 0

    init(_ seed: Seed) {
        generator = seed.generator
    }

    /// A packet's header and body as a peer may send them; nil for one that the reader refuses.
    mutating func frame(open: [UInt64]) -> (header: FrameHeader, body: [UInt8])? {
        if generator.below(12) > 0 { return goodFrame(open: open) }
        let packets = FrozenPackets.all
        let packet = Mutation.random(packets[generator.below(packets.count)], using: &generator)
        guard packet.count >= WireLimits.headerBytes,
            let header = ReaderCheck.real.read(packet, packet.declaredDescriptors)
        else { return nil }
        return (header, packet.body)
    }

    private mutating func goodFrame(open: [UInt64]) -> (header: FrameHeader, body: [UInt8]) {
        let shape = Catalogue.shapes[generator.below(Catalogue.shapes.count)]
        var header = FrameHeader(
            .request, interface: shape.method.interface, method: shape.method.ordinal)
        if generator.below(3) == 0, let transaction = open.randomElement(using: &generator) {
            header.kind = generator.once(in: 2) ? .cancel : .credit
            header.transaction = transaction
            return (header, header.kind == .credit ? [0x08, UInt8(generator.below(100))] : [])
        }
        nextTransaction += UInt64(1 + generator.below(3))
        header.transaction = nextTransaction
        header.descriptors = UInt16(shape.method.requestDescriptors.count)
        if generator.once(in: 8) { header.descriptors = UInt16(generator.below(17)) }
        if generator.once(in: 4) { header.deadlineMicroseconds = 1 + generator.next() % 1_000_000 }
        return (header, [])
    }

    static var hello: [UInt8] {
        var hello = WireHello()
        hello.interfaces = Catalogue.interfaces.map { interface in
            var range = WireInterfaceRange()
            range.interface = UInt32(interface.number)
            range.revisionMin = 1
            range.revisionMax = 9
            return range
        }
        return (try? Body.encode(hello)) ?? []
    }
}

@Suite("The connection machine")
struct ConnectionMachineTests {
    // LIMIT: 2,000 connections of up to 400 frames in each of four runs; most end sooner.
    @Test(
        "a listener agrees with the contract, whatever comes", .timeLimit(.minutes(10)),
        arguments: Seed.runs(4))
    func listener(seed: Seed) {
        var maker = FrameMaker(seed)
        var most = 0
        for _ in 0..<2_000 {
            if let finding = listen(&maker, most: &most) {
                Issue.record("\(seed.testDescription): \(finding)")
                return
            }
        }
        #expect(most > 8, "never more than \(most) transactions were open at once")
    }

    private func listen(_ maker: inout FrameMaker, most: inout Int) -> String? {
        let role: Role = maker.generator.once(in: 2) ? .admin : .client
        var now = Instant(nanoseconds: 0)
        var machine = ConnectionMachine(
            .listener(callerRole: role), interfaces: Catalogue.interfaces, now: now)
        var model = ListenerModel(role: role)
        var running: [UInt64: Int] = [:]
        if maker.generator.below(10) > 0 {
            let hello = FrameHeader(.hello)
            let outcome = machine.received(hello, body: FrameMaker.hello, now: now)
            if let finding = model.finding(hello, body: FrameMaker.hello, outcome) {
                return finding
            }
        }
        for _ in 0..<400 {
            now = now.advanced(by: .microseconds(maker.generator.below(20_000)))
            while case .expired(_, let header) = machine.tick(now: now) {
                model.finished(header.transaction)
                running[header.transaction] = nil
            }
            if let (transaction, slot) = running.randomElement(using: &maker.generator) {
                if maker.generator.once(in: 6) {
                    _ = machine.finish(slot, transaction: transaction, .reply)
                    model.finished(transaction)
                    running[transaction] = nil
                } else {
                    _ = machine.item(slot, transaction: transaction)
                }
            }
            guard let (header, body) = maker.frame(open: Array(running.keys)) else { continue }
            let outcome = machine.received(header, body: body, now: now)
            if case .request(let slot, _) = outcome { running[header.transaction] = slot }
            if let finding = model.finding(header, body: body, outcome) {
                return "\(finding): \(header)"
            }
            guard machine.openCount == model.open.count || machine.isClosed else {
                return "\(machine.openCount) are open, not \(model.open.count)"
            }
            most = max(most, machine.openCount)
            if machine.isClosed { running = [:] }
        }
        return nil
    }

    @Test(
        "a listener holds no more than transactionsMax, and refuses the next with the limit's name")
    func listenerIsBounded() {
        let now = Instant(nanoseconds: 0)
        var machine = ConnectionMachine(
            .listener(callerRole: .admin), interfaces: Catalogue.interfaces, now: now)
        _ = machine.received(FrameHeader(.hello), body: FrameMaker.hello, now: now)
        var refused = 0
        for transaction in 1...UInt64(WireLimits.transactionsMax + 10) {
            let header = FrameHeader(
                .request, interface: BoxBuilderInterface.descriptor.number,
                method: BoxBuilderInterface.listBoxes.ordinal, transaction: transaction)
            if case .refused(_, let fault) = machine.received(header, body: [], now: now) {
                refused += 1
                #expect(fault.code == .limitReached && fault.subject == "transactionsMax")
            }
        }
        #expect(machine.openCount == WireLimits.transactionsMax)
        #expect(refused == 10)
    }

    @Test(
        "a caller never traps and gets each answer once, whatever comes",
        .timeLimit(.minutes(10)), arguments: Seed.runs(4))
    func caller(seed: Seed) {
        var generator = seed.generator
        var answered = 0
        for _ in 0..<2_000 {
            if let finding = call(&generator, answered: &answered) {
                Issue.record("\(seed.testDescription): \(finding)")
                return
            }
        }
        #expect(answered > 1_000, "only \(answered) requests were answered")
    }

    private func call(_ generator: inout SplitMix, answered: inout Int) -> String? {
        var now = Instant(nanoseconds: 0)
        var machine = ConnectionMachine(.caller, interfaces: Catalogue.interfaces, now: now)
        _ = machine.received(FrameHeader(.hello), body: FrameMaker.hello, now: now)
        var open: [UInt64: MethodDescriptor] = [:]
        var items: [UInt64: UInt32] = [:]
        for _ in 0..<200 {
            now = now.advanced(by: .microseconds(generator.below(20_000)))
            while case .gaveUp = machine.tick(now: now) {}
            let method = Catalogue.shapes[generator.below(Catalogue.shapes.count)].method
            if generator.once(in: 2) {
                let begun = try? machine.begin(
                    method, descriptors: method.requestDescriptors.count,
                    deadline: .milliseconds(1 + generator.below(1_000)), now: now)
                if let begun { open[begun.header.transaction] = method }
            }
            let (header, body) = answer(open, &generator)
            let wasClosed = machine.isClosed
            switch machine.received(header, body: body, now: now) {
            case .reply, .fault, .end:
                guard open.removeValue(forKey: header.transaction) != nil else {
                    return "an answer was taken that nobody waits for: \(header)"
                }
                answered += 1
            case .item where open[header.transaction]?.isStream != true:
                return "an item was taken that nobody waits for: \(header)"
            case .item:
                // No credit is ever given here.
                items[header.transaction, default: 0] += 1
                guard items[header.transaction, default: 0] <= WireLimits.creditInitial else {
                    return "an item was taken without credit: \(header)"
                }
            case .request, .refused, .cancelled, .credited:
                return "a caller was asked: \(header)"
            case .violation where wasClosed, .farewell where wasClosed:
                return "something was said after the close"
            default: break
            }
            guard machine.openCount <= WireLimits.transactionsMax else { return "too many open" }
        }
        return nil
    }

    /// Mostly an answer to something that is open.
    private func answer(
        _ open: [UInt64: MethodDescriptor], _ generator: inout SplitMix
    ) -> (header: FrameHeader, body: [UInt8]) {
        let packets = FrozenPackets.all
        let spoiled = Mutation.random(packets[generator.below(packets.count)], using: &generator)
        if generator.once(in: 16), spoiled.count >= WireLimits.headerBytes,
            let header = ReaderCheck.real.read(spoiled, spoiled.declaredDescriptors)
        {
            return (header, spoiled.body)
        }
        let chosen = open.randomElement(using: &generator)
        let transaction = chosen?.key ?? generator.next() % 8 + 1
        let method = chosen?.value ?? BoxBuilderInterface.listBoxes
        var header = FrameHeader(
            .fault, interface: method.interface, method: method.ordinal, transaction: transaction)
        if method.isStream {
            header.kind = generator.once(in: 24) ? .end : .item
        } else if generator.below(3) > 0 {
            header.kind = .reply
            header.descriptors = UInt16(method.replyDescriptors.count)
        }
        return (header, [])
    }

    // MARK: The checks themselves

    @Test("work that must not be started is found out")
    func wrongStartIsFound() {
        let request = FrameHeader(
            .request, interface: BoxBuilderInterface.descriptor.number,
            method: BoxBuilderInterface.removeBox.ordinal, transaction: 1)
        let started = ConnectionMachine.Received.request(0, BoxBuilderInterface.removeBox)

        var early = ListenerModel(role: .admin)
        #expect(early.finding(request, body: [], started) != nil, "before hello")

        var foreign = ListenerModel(role: .client)
        _ = foreign.finding(FrameHeader(.hello), body: FrameMaker.hello, .ready)
        #expect(foreign.finding(request, body: [], started) != nil, "by a role that may not")

        var twice = ListenerModel(role: .admin)
        _ = twice.finding(FrameHeader(.hello), body: FrameMaker.hello, .ready)
        #expect(twice.finding(request, body: [], started) == nil)
        #expect(twice.finding(request, body: [], started) != nil, "a second time")

        var many = request
        many.descriptors = 1
        many.transaction = 2
        #expect(twice.finding(many, body: [], started) != nil, "with a descriptor too many")

        var next = request
        next.transaction = 3
        let violation = ConnectionMachine.Received.violation(.init(.protocolError))
        #expect(twice.finding(next, body: [], violation) != nil, "a good one closed the connection")
        #expect(twice.finding(next, body: [], started) != nil, "after the close")
    }
}
