// What a listener may make of a frame, said a second time and more simply: the contract's sentences
// over sets, without the machine's tables. The machine under random frames must agree with it.

import Channel
import Interfaces
import Wire

/// The contract of `Protocols/WIRE.md` §4-6 as a listener sees it.
struct ListenerModel {
    let role: Role
    private(set) var isOpen = false
    private(set) var isClosed = false
    private(set) var highest: UInt64 = 0
    /// The interfaces both sides speak.
    private var common: Set<UInt16> = []
    /// Open transactions with the credit each has.
    private(set) var open: [UInt64: UInt32] = [:]

    init(role: Role) {
        self.role = role
    }

    /// Whether the contract says that this frame starts work.
    func startsWork(_ header: FrameHeader) -> Bool {
        guard isOpen, header.kind == .request, header.transaction > highest,
            common.contains(header.interface), open.count < WireLimits.transactionsMax,
            let method = Self.method(of: header)
        else { return false }
        return method.callers.contains(role)
            && method.requestDescriptors.count == Int(header.descriptors)
    }

    /// What is wrong with an outcome; nil for a right one.
    mutating func finding(
        _ header: FrameHeader, body: [UInt8], _ outcome: ConnectionMachine.Received
    ) -> String? {
        let wasOpen = isOpen
        let starts = startsWork(header)
        let fresh = header.transaction > highest
        if isClosed {
            if case .nothing = outcome { return nil }
            return "something happened after the close"
        }
        if header.kind == .request, wasOpen { highest = max(highest, header.transaction) }
        switch outcome {
        case .ready:
            isOpen = true
            common = Self.common(body)
            return header.kind == .hello && !wasOpen ? nil : "ready without a first hello"
        case .request:
            open[header.transaction] = WireLimits.creditInitial
            return starts ? nil : "work was started that must not be"
        case .refused:
            return header.kind == .request && fresh && wasOpen && !starts
                ? nil : "a good request was refused"
        case .cancelled:
            return header.kind == .cancel && open[header.transaction] != nil
                ? nil : "what is not open was cancelled"
        case .credited:
            return header.kind == .credit && open[header.transaction] != nil
                ? nil : "what is not open was credited"
        case .nothing:
            return header.kind == .cancel || header.kind == .credit
                ? nil : "a frame was swallowed"
        case .violation, .farewell:
            isClosed = true
            return starts ? "a good request closed the connection" : nil
        case .reply, .fault, .item, .end, .stopping:
            return "a listener was answered"
        }
    }

    /// A transaction ended by an answer.
    mutating func finished(_ transaction: UInt64) {
        open[transaction] = nil
    }

    /// Ours that a hello names with a range around our only revision.
    private static func common(_ hello: [UInt8]) -> Set<UInt16> {
        guard let hello: WireHello = try? Body.decode(request: hello) else { return [] }
        let named = hello.interfaces.filter { $0.revisionMin <= 1 && $0.revisionMax >= 1 }
        return Set(named.map { UInt16(clamping: $0.interface) })
    }

    private static func method(of header: FrameHeader) -> MethodDescriptor? {
        Catalogue.interfaces.first { $0.number == header.interface }?.method(header.method)
    }
}
