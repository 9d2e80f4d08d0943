import Interfaces
import Syscalls

/// Where members of a family meet: 10.64.x.y inside the parent, 10.65.x.y inside a sibling, with the
/// same number for the same child. 10.64.0.0/24 is the node's own.
package enum FamilyAddress {
    // LIMIT: 65,280 children of one instance that are remembered at once: their ends are for a day.
    package static let numbers: ClosedRange<UInt16> = 256...65_535

    package static func inParent(_ number: UInt16) -> UInt32 { 0x0A40_0000 | UInt32(number) }
    package static func inSibling(_ number: UInt16) -> UInt32 { 0x0A41_0000 | UInt32(number) }

    /// Where a port goes that whoever lives there listens on itself, on all its addresses: Linux gives
    /// one port to a listener on all addresses or to those on single ones, not to both.
    package static func shifted(_ port: UInt16) -> UInt16 {
        port < 45_536 ? port + 20_000 : port - 20_000
    }
}

/// An address inside an instance's network that leads to another's slots.
package struct FamilyEntrance: Sendable, Equatable {
    package let inside: InstanceID
    package let address: UInt32
    /// The declared ports were taken there.
    package var isShifted: Bool

    package init(inside: InstanceID, address: UInt32, isShifted: Bool = false) {
        self.inside = inside
        self.address = address
        self.isShifted = isShifted
    }

    func endpoint(of slot: RelayedSlot) -> IPv4Endpoint {
        IPv4Endpoint(
            address: address, port: isShifted ? FamilyAddress.shifted(slot.port) : slot.port)
    }
}
