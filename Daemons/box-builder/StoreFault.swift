import Chassis
package import Interfaces
package import ServiceModel
package import Syscalls

/// The faults this daemon answers with, by what happened.
package enum StoreFault {
    /// A failed call on the store.
    package static func storing(_ error: Errno, _ subject: String) -> Fault {
        error.isStorageFull
            ? Fault(.storageFull, subject: subject)
            : Fault(.internal, subject: "\(subject): \(error.name)")
    }

    /// A failed call on the index.
    package static func index(_ error: any Error) -> Fault {
        if let fault = error as? Fault { return fault }
        return StoreCondition(error) == .full
            ? Fault(.storageFull, subject: "index") : Fault(.internal, subject: "index")
    }

    package static func stopping() -> Fault {
        Fault(.unavailable, subject: "box-builder")
    }

    package static func description(_ error: DescriptionError) -> Fault {
        let (code, reason): (Fault.Code, Fault.Reason) =
            switch error.condition {
            case .unknownKey: (.invalid, .unknownKey)
            case .missingKey: (.invalid, .missingKey)
            case .wrongType: (.invalid, .wrongType)
            case .malformed: (.invalid, .malformed)
            case .tooDeep: (.invalid, .tooDeep)
            case .duplicateKey: (.invalid, .duplicate)
            case .badName: (.invalid, .badName)
            case .outOfRange: (.invalid, .outOfRange)
            case .belowMinimum: (.invalid, .belowMinimum)
            case .tooLarge: (.tooLarge, .unspecified)
            case .unsupported: (.unsupported, .unspecified)
            }
        return Fault(
            code, reason: reason, subject: error.key, limit: error.limit, actual: error.actual,
            lines: error.accepted)
    }
}
