// What is wrong with a description is told in the same words before it is sent and after.

import ServiceModel
import Testing
import box_builder
import celautctl

@Suite("A description that is refused")
struct DescriptionFaultTests {
    @Test(
        "has the same fault from celautctl, which reads it first, and from the node",
        arguments: [
            .unknownKey, .missingKey, .wrongType, .malformed, .tooDeep, .duplicateKey, .badName,
            .outOfRange, .belowMinimum, .tooLarge, .unsupported,
        ] as [DescriptionError.Condition])
    func same(condition: DescriptionError.Condition) {
        let error = DescriptionError(
            condition, key: "api[0].port", limit: 3, actual: 4, accepted: ["tcp", "udp"])
        #expect(Complaint(error).fault == StoreFault.description(error))
    }
}
