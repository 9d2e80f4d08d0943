package import Interfaces

/// How a command ends, for scripts.
package enum ExitCode: Int32, CaseIterable {
    case success = 0
    case failure = 1
    case usage = 64
    case invalidInput = 65
    case notFound = 66
    case unavailable = 69
    case software = 70
    case cannotMake = 73
    case damaged = 74
    case inUse = 75
    case notPermitted = 77
    case interrupted = 130

    package var meaning: String {
        switch self {
        case .success: "it worked"
        case .failure: "the service ended badly or was not ready in time; or doctor found a failure"
        case .usage: "wrong arguments"
        case .invalidInput: "a file or value given is not valid; the message names it"
        case .notFound: "no such box or instance"
        case .unavailable: "the node, or the part asked, does not answer"
        case .software: "an error of the node itself; its log says more"
        case .cannotMake: "the disk is full"
        case .damaged: "something in the store is not as it must be; it is named"
        case .inUse: "something still uses it, or a limit is met; try later"
        case .notPermitted: "not allowed for this user or token"
        case .interrupted: "ended by Ctrl-C"
        }
    }

    /// The table in the help.
    package static var table: String {
        "Exit codes:\n"
            + allCases.map { code in
                let number = String(code.rawValue)
                let padding = String(repeating: " ", count: 4 - number.count)
                return "  \(number)\(padding)\(code.meaning)"
            }.joined(separator: "\n")
            + "\n`run` without --detach ends like its service: with its exit code, with 128 + the "
            + "signal's number, with 137 where it went past its memory."
    }

    package init(_ fault: Fault) {
        self =
            switch fault.code {
            case .invalid, .tooLarge, .corrupt, .unsupported: .invalidInput
            case .notFound: .notFound
            case .alreadyExists, .inUse, .limitReached: .inUse
            case .forbidden, .unauthorized: .notPermitted
            case .unavailable, .deadlineExceeded, .unknownMethod: .unavailable
            case .storageFull: .cannotMake
            case .endedEarly, .slotClosed: .failure
            case .cancelled: .interrupted
            case .internal, .unspecified, .UNRECOGNIZED: .software
            }
    }
}
