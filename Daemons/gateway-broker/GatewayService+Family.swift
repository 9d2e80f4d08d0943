package import Interfaces

/// Who of a family can be reached by whom.
extension GatewayService {
    package func introduce(
        _ request: IntroduceServiceRequest, by caller: GatewayCaller
    ) async throws(Fault) -> ServiceInstance {
        throw GatewayFault.unsupported("introduce", offered: [])
    }
}
