// Every released frame is read as the values it was made of, and those values are written as the
// same bytes. The frames were encoded by another library, so that both directions are facts.

import Interfaces
import SwiftProtobuf
import Testing
import Wire

@Suite("Frames of released revisions")
struct FrozenFrameTests {
    @Test("a frozen header reads as the values in its head", arguments: FrozenFrame.all)
    func headerReads(frame: FrozenFrame) throws {
        let read = try FrameHeader(
            reading: frame.packet.span, descriptors: Int(frame.header.descriptors))
        #expect(read == frame.header)
    }

    @Test("the values in its head are written as the frozen header", arguments: FrozenFrame.all)
    func headerWrites(frame: FrozenFrame) {
        #expect(frame.header.packet(body: frame.body) == frame.packet)
    }

    @Test("a frozen body reads as the message in its head", arguments: FrozenFrame.all)
    func bodyReads(frame: FrozenFrame) throws {
        guard let type = try messageType(of: frame) else { return }
        try expectReads(type, frame)
    }

    @Test("the message in its head is written as the frozen body", arguments: FrozenFrame.all)
    func bodyWrites(frame: FrozenFrame) throws {
        guard let type = try messageType(of: frame) else { return }
        try expectWrites(type, frame)
    }

    @Test(
        "the body of a frozen frame is the message its method declares", arguments: FrozenFrame.all)
    func bodyIsDeclared(frame: FrozenFrame) throws {
        let expected: (any Message.Type)?
        switch frame.header.kind {
        case .hello: expected = WireHello.self
        case .goodbye: expected = WireGoodbye.self
        case .credit: expected = WireCredit.self
        case .fault: expected = WireFault.self
        case .end, .cancel: expected = nil
        case .request: expected = try shape(of: frame).request
        case .reply, .item: expected = try shape(of: frame).answer
        }
        #expect(frame.bodyName == expected?.protoMessageName ?? "")
    }

    @Test("a frozen request or reply carries the descriptors its method declares")
    func descriptorsAreDeclared() throws {
        for frame in FrozenFrame.all {
            let count = Int(frame.header.descriptors)
            switch frame.header.kind {
            case .request:
                #expect(count == (try shape(of: frame)).method.requestDescriptors.count)
            case .reply:
                #expect(
                    try shape(of: frame).method.allows(replyDescriptors: count), "\(frame.name)")
            default:
                #expect(count == 0)
            }
        }
    }

    @Test("every method of every revision has a frozen request and a frozen reply or item")
    func everyMethodIsFrozen() {
        for interface in Catalogue.interfaces {
            for revision in interface.revisions {
                let frames = FrozenFrame.all.filter { $0.name.hasPrefix("revision-\(revision)/") }
                for method in interface.methods {
                    let kinds = Set(
                        frames
                            .filter {
                                $0.header.interface == interface.number
                                    && $0.header.method == method.ordinal
                            }
                            .map(\.header.kind))
                    let name = "\(interface.name).\(method.name) in revision \(revision)"
                    #expect(kinds.contains(.request), "no frozen request of \(name)")
                    #expect(
                        kinds.contains(method.isStream ? .item : .reply),
                        "no frozen answer of \(name)")
                }
            }
        }
    }

    @Test("every kind of frame is frozen", arguments: FrameKind.allCases)
    func everyKindIsFrozen(kind: FrameKind) {
        #expect(FrozenFrame.all.contains { $0.header.kind == kind })
    }

    // MARK: The messages of a frame

    private func messageType(of frame: FrozenFrame) throws -> (any Message.Type)? {
        if frame.bodyName.isEmpty {
            #expect(frame.body.isEmpty)
            return nil
        }
        let type: any Message.Type = try #require(
            Catalogue.messages.first { $0.protoMessageName == frame.bodyName },
            "no message is called \(frame.bodyName)")
        return type
    }

    private func shape(
        of frame: FrozenFrame
    ) throws -> (method: MethodDescriptor, request: any Message.Type, answer: any Message.Type) {
        try #require(
            Catalogue.shapes.first {
                $0.method.interface == frame.header.interface
                    && $0.method.ordinal == frame.header.method
            }, "no such method: \(frame.name)")
    }

    private func expectReads<M: Message>(_ type: M.Type, _ frame: FrozenFrame) throws {
        let read: M = try Body.decode(request: frame.body)
        #expect(read.isEqualTo(message: try M(textFormatString: frame.bodyText)))
    }

    private func expectWrites<M: Message>(_ type: M.Type, _ frame: FrozenFrame) throws {
        #expect(try Body.encode(M(textFormatString: frame.bodyText)) == frame.body)
    }
}
