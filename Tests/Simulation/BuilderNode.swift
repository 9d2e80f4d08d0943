// The box-builder of a run: its queue and its pins, an index with the rules of the real one, files.

import Channel
import Interfaces
import box_builder

/// Imports, keeps and gives boxes. `ImportQueueMachine` and `PinMachine` are the daemon's own code;
/// the index keeps the rules of `BoxIndex` (a held box stays, a holder holds one box) in the
/// transactions of a simulated store.
final class BuilderNode: SimDaemon {
    enum Row: Equatable {
        /// Its contents, by number.
        case box([Int])
        case hold(box: Int)
    }

    struct Work {
        let ticket: ImportQueueMachine.Ticket
        let box: Int
        let request: SimRequest
        var left: [Int]
        var made: Set<Int> = []
        var pinned: [Int] = []
    }

    unowned let node: SimNode
    let index: SimTable<String, Row>
    /// Content files: whether each was synced.
    private(set) var objects: [Int: Bool] = [:]
    private(set) var queue = ImportQueueMachine()
    private(set) var pins = PinMachine<Int>()
    private var turns: [ImportQueueMachine.Ticket: (box: Int, request: SimRequest)] = [:]
    private(set) var working = 0
    var isFull = false

    init(_ world: World, _ node: SimNode) {
        self.node = node
        index = SimTable(world, "index")
        super.init(
            world, "builder", [BoxBuilderInterface.descriptor],
            killRate: world.swarm.killBuilder)
    }

    /// What a box is made of: boxes share contents.
    static func contents(_ box: Int) -> [Int] { [box, box + 1, 100 + box % 2] }

    static func name(_ box: Int) -> String { "box/\(box)" }

    var boxes: [Int: [Int]] {
        var all: [Int: [Int]] = [:]
        for (key, row) in index.durable {
            if case .box(let contents) = row, let box = Int(key.dropFirst(4)) {
                all[box] = contents
            }
        }
        return all
    }

    var holders: [String] {
        index.durable.keys.filter { $0.hasPrefix("hold/") }.map { String($0.dropFirst(5)) }.sorted()
    }

    func hasHold(_ holder: String) -> Bool { index.durable["hold/\(holder)"] != nil }

    // MARK: Life

    override func begin() {
        queue = ImportQueueMachine()
        pins = PinMachine()
        turns = [:]
        working = 0
        // What is there and nobody needs.
        let needed = Set(boxes.values.joined())
        for content in objects.keys.sorted() where !needed.contains(content) {
            objects[content] = nil
        }
        isListening = true
    }

    override func crashed(powerLoss: Bool) {
        index.crash(powerLoss: powerLoss)
        guard powerLoss else { return }
        for content in objects.keys.sorted() where objects[content] == false {
            if world.random.below(2) == 0 { objects[content] = nil }
        }
    }

    override func serve(_ request: SimRequest) {
        switch request.method.name {
        case "ImportBox": importBox(request)
        case "OpenBox": openBox(request)
        case "ReleaseBox": releaseBox(request)
        case "RemoveBox": removeBox(request)
        case "ListHolds":
            for holder in holders {
                var hold = Hold()
                hold.holder = holder
                request.item(hold)
            }
            request.end()
        default: request.fault(Fault(.unknownMethod))
        }
    }

    private func number(_ text: String) -> Int? {
        text.hasPrefix("box-") ? Int(text.dropFirst(4)) : nil
    }

    // MARK: Import

    private func importBox(_ request: SimRequest) {
        guard let message: ImportBoxRequest = request.message(), let box = number(message.tag)
        else { return request.fault(.invalid(.badName, subject: "tag")) }
        switch queue.arrive() {
        case .refused:
            request.fault(.limitReached(subject: "imports_waiting", limit: 32))
        case .runs(let ticket):
            work(ticket, box, request)
        case .waits(let ticket):
            turns[ticket] = (box, request)
            request.onEnd = { [weak self] _ in self?.giveUp(ticket) }
        }
    }

    private func giveUp(_ ticket: ImportQueueMachine.Ticket) {
        guard turns.removeValue(forKey: ticket) != nil else { return }
        endTurn(ticket)
    }

    private func endTurn(_ ticket: ImportQueueMachine.Ticket) {
        guard let next = queue.leave(ticket) else { return }
        if let turn = turns.removeValue(forKey: next) { work(next, turn.box, turn.request) }
        if world.has(.turnTwice), let more = turns.keys.min(), let turn = turns[more] {
            turns[more] = nil
            work(more, turn.box, turn.request)
        }
    }

    private func work(_ ticket: ImportQueueMachine.Ticket, _ box: Int, _ request: SimRequest) {
        working += 1
        let work = Work(
            ticket: ticket, box: box, request: request, left: Self.contents(box))
        world.after(1_000_000, life) { [self] in proceed(work) }
    }

    /// One content after the other: pinned before it is looked for, written where it is not there.
    private func proceed(_ work: Work) {
        guard goesOn() else { return }
        var work = work
        if work.request.isOver { return end(work, Fault(.cancelled)) }
        guard let content = work.left.first else { return sync(work) }
        work.left.removeFirst()
        pins.pin(content)
        for step in 1...UInt64(8) {
            var item = ImportBoxItem()
            item.progress.entries = step
            work.request.item(item)
        }
        work.pinned.append(content)
        if objects[content] != nil {
            return world.after(100_000, life) { [self, work] in proceed(work) }
        }
        world.after(world.diskDelay(), life) { [self, work] in
            guard goesOn() else { return }
            var work = work
            if isFull { return end(work, Fault(.storageFull)) }
            if objects[content] == nil {
                objects[content] = false
                work.made.insert(content)
            }
            proceed(work)
        }
    }

    private func sync(_ work: Work) {
        world.after(world.diskDelay(), life) { [self] in
            guard goesOn() else { return }
            for content in work.pinned where objects[content] != nil { objects[content] = true }
            let row = SimTable<String, Row>.Operation.put(
                Self.name(work.box), .box(Self.contents(work.box)))
            index.apply([row], life) { [self] failure in
                guard goesOn() else { return }
                end(work, failure.map { _ in Fault(.storageFull) })
            }
        }
    }

    private func end(_ work: Work, _ fault: Fault?) {
        for content in work.pinned {
            let isDoubtful = fault != nil && work.made.contains(content)
            if pins.release(content, isDoubtful: isDoubtful) { drop(content) }
        }
        working -= 1
        endTurn(work.ticket)
        work.request.closeDescriptors()
        if let fault { return work.request.fault(fault) }
        var item = ImportBoxItem()
        item.box.serviceIDBytes = Self.serviceID(work.box)
        work.request.item(item)
        work.request.end()
    }

    /// Unless a box needs it.
    private func drop(_ content: Int) {
        guard !boxes.values.contains(where: { $0.contains(content) }) else { return }
        objects[content] = nil
    }

    static func serviceID(_ box: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(box & 0xFF), count: 32)
    }

    // MARK: Boxes

    private func openBox(_ request: SimRequest) {
        guard let message: OpenBoxRequest = request.message(), let box = number(message.box)
        else { return request.fault(Fault(.notFound)) }
        let hold = "hold/\(message.holder)"
        var isThere = false
        index.transact(
            life,
            { rows in
                isThere = rows[Self.name(box)] != nil
                return !isThere || rows[hold] != nil ? [] : [.put(hold, .hold(box: box))]
            },
            { [self] failure in
                guard goesOn() else { return }
                guard isThere else { return request.fault(Fault(.notFound, subject: "box")) }
                if failure != nil { return request.fault(Fault(.storageFull)) }
                var reply = OpenBoxReply()
                reply.summary.serviceIDBytes = Self.serviceID(box)
                reply.root = .layers
                let given = ["image", "objects", "specification"].map {
                    world.descriptors.make($0, life)
                }
                request.reply(reply, descriptors: given)
            })
    }

    private func releaseBox(_ request: SimRequest) {
        guard let message: ReleaseBoxRequest = request.message() else { return }
        let hold = "hold/\(message.holder)"
        index.transact(
            life, { rows in rows[hold] == nil ? [] : [.delete(hold)] },
            { [self] failure in
                guard goesOn() else { return }
                if failure != nil { return request.fault(Fault(.storageFull)) }
                request.reply(ReleaseBoxReply())
            })
    }

    private func removeBox(_ request: SimRequest) {
        guard let message: RemoveBoxRequest = request.message(), let box = number(message.box)
        else { return request.fault(Fault(.notFound)) }
        var refusal: Fault?
        index.transact(
            life,
            { rows in
                if rows[Self.name(box)] == nil { refusal = Fault(.notFound) }
                if rows.values.contains(.hold(box: box)) { refusal = Fault(.inUse) }
                return refusal == nil ? [.delete(Self.name(box))] : []
            },
            { [self] failure in
                guard goesOn() else { return }
                if let refusal { return request.fault(refusal) }
                if failure != nil { return request.fault(Fault(.storageFull)) }
                for content in Self.contents(box) {
                    if pins.abandon(content) { drop(content) }
                }
                request.reply(RemoveBoxReply())
            })
    }

    // MARK: What must be true

    func lookAtBounds() {
        world.check(working <= ImportQueueMachine.runningMax, "\(working) imports run at once")
        world.check(
            queue.runningCount <= ImportQueueMachine.runningMax,
            "the import queue runs \(queue.runningCount)")
        world.check(
            queue.waitingCount <= ImportQueueMachine.waitingMax,
            "\(queue.waitingCount) imports wait")
    }

    func lookAtStore() {
        for (box, contents) in boxes {
            for content in contents {
                world.check(objects[content] == true, "box \(box) misses its content \(content)")
            }
        }
    }

    func settled() {
        world.check(working == 0, "an import never ended")
        world.check(pins.isEmpty, "contents are still pinned")
        let needed = Set(boxes.values.joined())
        for content in objects.keys.sorted() {
            world.check(needed.contains(content), "content \(content) has no box")
        }
    }
}
