package import Interfaces

/// stub
package struct InstancePlan: Sendable {
    package let request: StartInstanceRequest
    package let slots: [RelayedSlot]
    package let configuration: [UInt8]
    package init(
        record: InstanceRecord, serviceID: [UInt8], specification: [UInt8], limits: GatewayLimits
    ) throws(Fault) {
        throw GatewayFault.unsupported("x")
    }
}
