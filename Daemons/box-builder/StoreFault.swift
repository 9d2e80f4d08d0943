import Chassis
package import GRDB
package import Interfaces
package import ServiceModel
package import Syscalls

/// The faults this daemon answers with, by what happened.
package enum StoreFault {
    /// A failed call on the store.
    package static func storing(_ error: Errno, _ subject: String) -> Fault {
        error.leavesNoRoom
            ? Fault(.storageFull, subject: subject)
            : Fault(.internal, subject: "\(subject): \(error.name)")
    }

    /// A failed call on the index.
    package static func index(_ error: any Error, in queue: DatabaseQueue) -> Fault {
        if let fault = error as? Fault { return fault }
        return switch StoreCondition(error, in: queue) {
        case .full: Fault(.storageFull, subject: "index")
        case .corrupt: Fault(.corrupt, subject: "index")
        case .failing: Fault(.internal, subject: "index")
        }
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

    /// What is wrong with the canonical bytes of a service. Where there is no limit, `actual` is the
    /// offset of the field at fault.
    package static func canonical(_ error: CanonicalError) -> Fault {
        let subject = error.path.isEmpty ? "service" : error.path
        var fault: Fault =
            switch error.condition {
            case .truncated: .invalid(.truncated, subject: subject)
            case .lengthPastEnd: .invalid(.truncated, subject: subject)
            case .malformed, .incomplete: .invalid(.malformed, subject: subject)
            case .wrongType: .invalid(.wrongType, subject: subject)
            case .tooLarge: Fault(.tooLarge, subject: subject)
            case .tooDeep: .invalid(.tooDeep, subject: subject)
            case .tooManyEntries: .invalid(.tooManyEntries, subject: subject)
            case .badName: .invalid(.badName, subject: subject)
            case .duplicate: .invalid(.duplicate, subject: subject)
            case .badAttribute: .invalid(.outOfRange, subject: subject)
            case .badLink: .invalid(.pathEscapes, subject: subject)
            case .unsupported: .invalid(.specialFile, subject: subject)
            }
        fault.limit = error.limit
        fault.actual = error.limit == 0 ? error.offset : error.actual
        fault.lines = ["byte \(error.offset)"]
        return fault
    }
}
