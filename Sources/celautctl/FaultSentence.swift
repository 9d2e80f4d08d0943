import Interfaces

/// The sentence for a fault. Daemons send conditions; only here do they become words.
struct FaultSentence: Equatable {
    let text: String
    let hint: String

    init(_ fault: Fault) {
        let subject = fault.subject.isEmpty ? "the request" : "\"\(fault.subject)\""
        if fault.code == .invalid, fault.reason != .unspecified {
            self = Self.invalid(fault, subject)
            return
        }
        self = Self.condition(fault, subject)
    }

    private init(_ text: String, _ hint: String = "") {
        self.text = text
        self.hint = hint
    }

    private static func condition(_ fault: Fault, _ subject: String) -> FaultSentence {
        switch fault.code {
        case .invalid: .init("\(subject) is not valid.")
        case .notFound:
            .init(
                "There is no \(subject).",
                "\"celautctl boxes list\" and \"celautctl ps --all\" show what there is.")
        case .alreadyExists:
            .init("\(subject) is taken already.", "Choose another, or stop what has it.")
        case .inUse:
            .init("\(subject) is in use.", "Stop the instances that use it first.")
        case .forbidden:
            .init("This user may not do that.", "Run it as the node's maintainer (root).")
        case .unauthorized:
            .init(
                "The token does not open \(subject).",
                "Use the token printed when the instance was started.")
        case .unknownMethod:
            .init(
                "The node does not know \(subject).",
                "celautctl and the node are of different versions; update the older one.")
        case .unsupported:
            .init(
                "This node does not offer \(subject).",
                fault.lines.isEmpty ? "" : "It offers: \(fault.lines.joined(separator: ", ")).")
        case .tooLarge:
            .init("\(subject) is too large: \(bounds(fault)).")
        case .limitReached:
            .init("The limit \(subject) is met: \(bounds(fault)).", "Try again later.")
        case .deadlineExceeded:
            .init("\(subject) took longer than it was given.", "Give it more with --timeout.")
        case .cancelled: .init("It was cancelled.")
        case .unavailable:
            .init(
                "The node did not answer (\(fault.subject)).",
                "See \"celautctl status\"; repeating the command is safe.")
        case .storageFull:
            .init(
                "The disk under the node's store is full; nothing was kept.",
                "Free some space, or remove boxes with \"celautctl boxes remove\".")
        case .corrupt:
            .init("\(subject) does not have the digest it is named by.", "Import it again.")
        case .endedEarly:
            .init(
                "The service ended before it was ready (\(fault.subject)).",
                "Its last output is below, if it wrote any.")
        case .slotClosed:
            .init(
                "The slot \(subject) accepted no connection within \(milliseconds(fault.limit)).",
                "The service must listen on that port; a slow one needs a longer --timeout.")
        case .internal, .unspecified, .UNRECOGNIZED:
            .init("The node failed (\(fault)).", "Its log says more.")
        }
    }

    private static func invalid(_ fault: Fault, _ subject: String) -> FaultSentence {
        switch fault.reason {
        case .unknownKey:
            .init("The key \(subject) is not known.", "Check its spelling, or remove it.")
        case .missingKey: .init("The key \(subject) is missing.")
        case .wrongType: .init("\(subject) has a value of the wrong type.")
        case .outOfRange: .init("\(subject) is out of range: \(bounds(fault)).")
        case .malformed: .init("\(subject) cannot be read: it is malformed.")
        case .pathEscapes:
            .init("\(subject) leads out of the tree.", "A box holds only what is inside it.")
        case .pathAbsolute:
            .init("\(subject) is an absolute path.", "Names in an archive are relative.")
        case .nameTooLong: .init("\(subject) is too long: \(bounds(fault)).")
        case .specialFile:
            .init(
                "\(subject) is a device, pipe or socket.", "A box holds files, links and folders.")
        case .truncated: .init("\(subject) ends early.", "The archive was cut; make it again.")
        case .tooManyEntries: .init("\(subject) has too many entries: \(bounds(fault)).")
        case .duplicate: .init("\(subject) is there twice.")
        case .fileMissing:
            .init("\(subject) is not in the box.", "Check the path, and that the tree has it.")
        case .notExecutable:
            .init("\(subject) cannot be executed.", "Give it execute permission, and pack again.")
        case .belowMinimum: .init("\(subject) is less than what can run: \(bounds(fault)).")
        case .badName: .init("\(subject) is not a name that can be used.")
        case .keyReused: .init("\(subject) was used before for something else.")
        case .badDescriptor: .init("\(subject) is not the kind of file it must be.")
        case .tooDeep: .init("\(subject) is nested too deeply: \(bounds(fault)).")
        case .unspecified, .UNRECOGNIZED: .init("\(subject) is not valid.")
        }
    }

    private static func bounds(_ fault: Fault) -> String {
        switch (fault.limit, fault.actual) {
        case (0, 0): "no more is allowed"
        case (let limit, 0): "the bound is \(limit)"
        case (let limit, let actual): "\(actual), and the bound is \(limit)"
        }
    }

    private static func milliseconds(_ value: UInt64) -> String {
        value == 0 ? "its time" : Words.duration(milliseconds: value)
    }
}
