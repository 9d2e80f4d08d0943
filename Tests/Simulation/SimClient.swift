// Who uses the node of a run.

import Channel
import Interfaces
import SwiftProtobuf

/// A start as its client knows it.
final class SimStart {
    let key: [UInt8]
    let service: String
    /// The id that was told first: every later answer must have it.
    var id: [UInt8]?
    var token = ""
    var isStarted = false
    var isRefused = false
    var isStopped = false

    init(key: [UInt8], service: String) {
        self.key = key
        self.service = service
    }
}

/// One client: does something, waits, does something else; repeats what was not answered.
final class SimClient {
    let world: World
    unowned let node: SimNode
    let uid: UInt32
    let life: Life
    private let gateway: SimPeer
    private let boxes: SimPeer
    private(set) var starts: [SimStart] = []
    private var left: Int
    private var grants: [(token: String, start: SimStart)] = []
    /// Ends of tunnels.
    private var tunnels: [Int] = []
    private var isEnding = false

    init(_ world: World, _ node: SimNode, uid: UInt32) {
        self.world = world
        self.node = node
        self.uid = uid
        life = Life("client \(uid)")
        left = world.swarm.actions
        gateway = SimPeer(world, life, program: "client \(uid)", role: .client, uid: uid) {
            [unowned node] in node.gateway
        }
        boxes = SimPeer(world, life, program: "client \(uid)", role: .admin, uid: uid) {
            [unowned node] in node.builder
        }
    }

    func begin() {
        pack(Int(uid) % 3)
        pack(world.random.below(4))
        next()
    }

    private func next() {
        guard left > 0, !isEnding else { return }
        left -= 1
        world.after(world.random.between(1_000_000...8_000_000_000), life) { [self] in
            guard !isEnding else { return }
            act()
            next()
        }
    }

    private func act() {
        let swarm = world.swarm
        if world.fault(percent: swarm.repeats), let start = world.random.element(starts) {
            return ask(start)
        }
        switch world.random.below(12) {
        case 0: pack(world.random.below(4))
        case 1, 2, 3: if let start = world.random.element(starts) { stop(start) }
        case 4 where world.fault(percent: swarm.removals): remove(world.random.below(4))
        case 5 where world.fault(percent: swarm.tunnels):
            if let start = world.random.element(starts) { tunnel(start) }
        case 6 where world.fault(percent: swarm.grants):
            if let start = world.random.element(starts) { grant(start) }
        case 7:
            if let start = world.random.element(starts) { watch(start) }
        default:
            let start = SimStart(
                key: world.random.bytes(16), service: "box-\(world.random.below(4))")
            starts.append(start)
            ask(start)
        }
    }

    // MARK: Requests

    private func bytes(_ message: some Message) -> [UInt8] { (try? Body.encode(message)) ?? [] }

    /// Nil for no deadline of its own.
    private func deadline(_ usual: Duration) -> Duration {
        world.fault(percent: world.swarm.shortDeadlines)
            ? .milliseconds(Int64(1 + world.random.below(200))) : usual
    }

    private func ask(_ start: SimStart) {
        var request = StartServiceRequest()
        request.keyBytes = start.key
        request.service = start.service
        request.readyDeadlineMs = 5_000
        request.memoryBytes = 256 << 20
        let answer = node.judge.asked("start by \(uid)")
        let stream = SimStream(
            take: { [self] body in
                guard let item = try? Body.decode(answer: body) as StartServiceItem else { return }
                took(item, start)
            },
            over: { [self] fault in
                answer.over()
                world.say { "client \(self.uid): start: \(fault.map { "\($0.code)" } ?? "end")" }
                guard let fault, fault.code == .unavailable || fault.code == .cancelled else {
                    return
                }
                // What was not answered is asked again with its key.
                if !isEnding, world.random.below(2) == 0 {
                    world.after(500_000_000, life) { [self] in ask(start) }
                }
            })
        gateway.open(GatewayBrokerInterface.startService, bytes(request), stream)
        if world.fault(percent: world.swarm.cancels) {
            world.after(world.random.between(1_000_000...2_000_000_000), life) {
                stream.cancel()
                answer.isDue(within: 5_000_000_000)
            }
        }
    }

    private func took(_ item: StartServiceItem, _ start: SimStart) {
        switch item.event {
        case .accepted(let view)?: identify(start, view.instanceIDBytes)
        case .changed(let view)?: identify(start, view.instanceIDBytes)
        case .started(let started)?:
            identify(start, started.instance.instanceIDBytes)
            start.token = started.token
            start.isStarted = true
        case nil: break
        }
    }

    private func identify(_ start: SimStart, _ id: [UInt8]) {
        if let known = start.id, known != id {
            node.judge.anotherForKey(start.key, known, id)
        }
        start.id = id
    }

    private func stop(_ start: SimStart) {
        guard let id = start.id else { return }
        var request = StopServiceRequest()
        request.instance.instance = Hex.text(id)
        request.graceMs = UInt32(world.random.below(3) * 500)
        let time = deadline(.seconds(60))
        let answer = node.judge.asked("stop by \(uid)", within: time)
        node.judge.stopAsked(id)
        gateway.call(GatewayBrokerInterface.stopService, bytes(request), deadline: time) {
            [self] result in
            answer.over()
            if case .success = result {
                start.isStopped = true
                node.judge.stopAnswered(id)
            }
        }
    }

    /// Until its end, as somebody who follows it.
    private func watch(_ start: SimStart) {
        guard let id = start.id else { return }
        var request = WatchServiceRequest()
        request.instance.instance = Hex.text(id)
        let answer = node.judge.asked("watch by \(uid)", isPatient: true)
        var last = Phase.unspecified
        let stream = SimStream(
            take: { [self] body in
                guard let view = try? Body.decode(answer: body) as ServiceInstance else { return }
                world.check(
                    last != .ended, "\(SimHost.short(id)) is \(view.state.phase) after its end")
                last = view.state.phase
            },
            over: { _ in answer.over() })
        gateway.open(GatewayBrokerInterface.watchService, bytes(request), stream)
    }

    private func tunnel(_ start: SimStart) {
        guard start.isStarted else { return }
        var request = OpenTunnelRequest()
        request.instance.token = start.token
        request.slot = 6_379
        let time = deadline(.seconds(10))
        let answer = node.judge.asked("tunnel by \(uid)", within: time)
        gateway.call(GatewayBrokerInterface.openTunnel, bytes(request), deadline: time) {
            [self] result in
            answer.over()
            if case .success(let found) = result {
                world.descriptors.close(found.descriptors)
            }
        }
    }

    private func grant(_ start: SimStart) {
        guard let id = start.id else { return }
        var request = GrantTokenRequest()
        request.keyBytes = world.random.bytes(16)
        request.instance.instance = Hex.text(id)
        request.scopes = [.stop, .observe]
        let body = bytes(request)
        // A caller that does not wait long repeats while the first request is on its way.
        for _ in 0..<(1 + world.random.below(2)) { grant(id, body) }
    }

    private func grant(_ id: [UInt8], _ body: [UInt8]) {
        let time = deadline(.seconds(10))
        let answer = node.judge.asked("grant by \(uid)", within: time)
        gateway.call(GatewayBrokerInterface.grantToken, body, deadline: time) { [self] result in
            answer.over()
            guard case .success(let found) = result,
                let reply: GrantTokenReply = found.message()
            else { return }
            node.judge.granted(reply.token, id)
            guard world.random.below(2) == 0 else { return }
            for _ in 0..<(1 + world.random.below(2)) { revoke(reply.token) }
        }
    }

    private func revoke(_ token: String) {
        var request = RevokeTokenRequest()
        request.token = token
        let answer = node.judge.asked("revoke by \(uid)", within: .seconds(10))
        node.judge.revokeAsked(token)
        gateway.call(GatewayBrokerInterface.revokeToken, bytes(request), deadline: .seconds(10)) {
            [self] result in
            answer.over()
            if case .success = result { node.judge.revoked(token) }
        }
    }

    private func pack(_ box: Int) {
        var request = ImportBoxRequest()
        request.tag = "box-\(box)"
        let answer = node.judge.asked("import by \(uid)")
        let given = ["archive", "description"].map { world.descriptors.make($0, life) }
        var isThere = false
        let stream = SimStream(
            take: { body in
                if let item = try? Body.decode(answer: body) as ImportBoxItem,
                    case .box? = item.event
                {
                    isThere = true
                }
            },
            over: { [self] fault in
                answer.over()
                if isThere, fault == nil { node.judge.imported(box) }
            })
        boxes.open(
            BoxBuilderInterface.importBox, bytes(request), descriptors: given, stream)
        if world.fault(percent: world.swarm.cancels) {
            world.after(world.random.between(1_000_000...30_000_000), life) {
                stream.cancel()
                answer.isDue(within: 10_000_000_000)
            }
        }
    }

    private func remove(_ box: Int) {
        var request = RemoveBoxRequest()
        request.box = "box-\(box)"
        let answer = node.judge.asked("remove by \(uid)", within: .seconds(30))
        node.judge.removeAsked(box)
        boxes.call(BoxBuilderInterface.removeBox, bytes(request), deadline: .seconds(30)) {
            _ in answer.over()
        }
    }

    // MARK: Ends

    /// Stops all that was started, again until it is.
    func endAll() {
        isEnding = true
        world.after(85_000_000_000, life) { [self] in
            for start in starts where start.id != nil && !start.isStopped { stop(start) }
        }
        world.after(140_000_000_000, life) { [self] in
            for start in starts where start.id != nil && !start.isStopped { stop(start) }
        }
    }

    /// Its connections are gone; it is used from another machine and goes on.
    func machineWentDown() {
        gateway.close()
        boxes.close()
    }
}

/// An instance that starts others: its children.
final class SimFamily {
    let world: World
    unowned let node: SimNode
    let instance: SimInstance
    let life: Life
    private let gateway: SimPeer

    init(_ world: World, _ node: SimNode, _ instance: SimInstance, uid: UInt32) {
        self.world = world
        self.node = node
        self.instance = instance
        life = instance.life
        gateway = SimPeer(
            world, life, program: "instance \(instance.pid)", role: .client, uid: uid
        ) { [unowned node] in node.gateway }
    }

    func begin() {
        instance.onEnd = { [gateway] in gateway.close() }
        for number in 0..<instance.behaviour.children {
            world.after(world.random.between(1_000_000...3_000_000_000), life) { [self] in
                ask(UInt8(number), tries: 0)
            }
        }
    }

    private func ask(_ number: UInt8, tries: Int) {
        guard world.faultsAreOn else { return }
        var request = StartServiceRequest()
        request.keyBytes = [UInt8](repeating: number, count: 16)
        request.service = "box-\(number)"
        request.readyDeadlineMs = 5_000
        request.memoryBytes = 32 << 20
        request.diskBytes = 8 << 20
        let stream = SimStream(
            take: { _ in },
            over: { [self] fault in
                guard !life.isOver, let fault, fault.code == .unavailable, tries < 3 else { return }
                world.after(300_000_000, life) { [self] in ask(number, tries: tries + 1) }
            })
        gateway.open(
            GatewayBrokerInterface.startService, (try? Body.encode(request)) ?? [], stream)
    }
}

/// Lower-case hexadecimal.
enum Hex {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
