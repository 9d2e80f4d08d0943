package import Interfaces
import SwiftProtobuf
import Wire

/// Hello, and the choice of revisions (`Protocols/WIRE.md` §4).
extension ConnectionMachine {
    // LIMIT: interfaces in one hello. A node has fewer than ten; a longer list is a violation.
    package static let helloInterfacesMax = 64

    /// The hello of this side: its first frame.
    package func hello(program: String, version: String) -> WireHello {
        var hello = WireHello()
        hello.interfaces = interfaces.map { interface in
            var range = WireInterfaceRange()
            range.interface = UInt32(interface.number)
            range.revisionMin = UInt32(interface.revisions.lowerBound)
            range.revisionMax = UInt32(interface.revisions.upperBound)
            return range
        }
        hello.program = program.cut(toBytes: WireLimits.helloTextBytesMax)
        hello.version = version.cut(toBytes: WireLimits.helloTextBytesMax)
        return hello
    }

    mutating func receivedHello(_ body: borrowing [UInt8]) -> Received {
        let hello: WireHello
        do throws(Fault) {
            hello = try Body.decode(request: copy body)
        } catch {
            return violation(body: "Hello")
        }
        guard hello.interfaces.count <= Self.helloInterfacesMax else {
            return violation(body: "Hello.interfaces")
        }
        peerProgram = hello.program.cut(toBytes: WireLimits.helloTextBytesMax)
        peerVersion = hello.version.cut(toBytes: WireLimits.helloTextBytesMax)
        for theirs in hello.interfaces {
            guard theirs.revisionMin <= theirs.revisionMax,
                theirs.revisionMax <= UInt32(UInt16.max),
                theirs.interface != 0, theirs.interface <= UInt32(UInt16.max),
                revision(of: UInt16(theirs.interface)) == nil
            else { return violation(body: "Hello.interfaces") }
            guard let ours = interfaces.first(where: { $0.number == theirs.interface }) else {
                continue
            }
            let highest = min(UInt32(ours.revisions.upperBound), theirs.revisionMax)
            let lowest = max(UInt32(ours.revisions.lowerBound), theirs.revisionMin)
            if lowest <= highest {
                common.append(Common(interface: ours, revision: UInt16(highest)))
            }
        }
        if common.isEmpty, case .listener = side {
            return .violation(close(Farewell(.noCommonRevision)))
        }
        phase = .open
        if table.count == 0 { nextDeadline = nil }
        return .ready
    }
}
