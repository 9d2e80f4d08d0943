import Interfaces

/// What exactly is wrong with a subject: a sentence of its own after `INVALID`, a clause after any
/// other code.
struct ReasonWords {
    let sentence: String
    let clause: String
    let hint: String

    init(_ fault: Fault) {
        let subject = FaultSentence.quoted(fault.subject)
        let words = Self.aboutText(fault, subject) ?? Self.aboutTree(fault, subject)
        sentence = "\(subject) \(words.clause)"
        clause = words.clause
        hint = words.hint
    }

    private typealias Phrase = (clause: String, hint: String)

    /// Keys, values, digests, requests.
    private static func aboutText(_ fault: Fault, _ subject: String) -> Phrase? {
        switch fault.reason {
        case .unspecified:
            return ("is not valid\(FaultSentence.measure(fault))", "Correct it and try again")
        case .unknownKey:
            return (
                "is a key that is not known here",
                "Correct its spelling or remove it: unknown keys are refused, never dropped"
            )
        case .missingKey:
            return (
                "is missing, and must be there",
                "Add it; deploy/examples/redis/service.json has one of each that is needed"
            )
        case .wrongType:
            return ("has a value of another type than it must have", "Correct the value")
        case .outOfRange:
            return ("is out of range\(range(fault))", "Choose a value within the range")
        case .malformed:
            return (
                "cannot be read\(place(fault)): it is not in the form it must have",
                "Check it with a tool for that form (python3 -m json.tool, tar tf)"
            )
        case .belowMinimum:
            return (
                "is below what can run\(minimum(fault))", "Raise it to the minimum or more"
            )
        case .keyReused:
            return (
                "was used before for another request", "Run the command again: it takes a new key"
            )
        case .badDescriptor:
            return (
                "did not come as the kind of file it must be",
                "Give a regular file or a pipe"
            )
        case .duplicate where !fault.lines.isEmpty && fault.lines.allSatisfy(isID):
            return ("is a name of several", "Choose one of them by its id")
        case .duplicate:
            return ("is there twice", "Keep one of the two")
        case .UNRECOGNIZED(let number):
            return (
                "is refused for a reason this command does not know (\(number))",
                "The node is newer than this command: celautctl version"
            )
        default: return nil
        }
    }

    /// Paths, names and files of a tree.
    private static func aboutTree(_ fault: Fault, _ subject: String) -> Phrase {
        switch fault.reason {
        case .pathEscapes:
            (
                "leads out of the tree",
                "Remove the entry, or make the tar from inside its root: tar -C ROOT -cf - ."
            )
        case .pathAbsolute:
            (
                "is an absolute path where a relative one is meant",
                "Make the tar from inside its root: tar -C ROOT -cf - ."
            )
        case .nameTooLong:
            ("is too long a name\(FaultSentence.measure(fault))", "Shorten the name")
        case .specialFile:
            (
                "is a device, pipe or socket, which a box cannot hold",
                "Remove it from the tree; a service gets its own /dev"
            )
        case .truncated:
            (
                "ends before its end\(place(fault))",
                "Make or get it again, whole; an archive is checked with: tar tf FILE"
            )
        case .tooManyEntries:
            ("has too many entries\(FaultSentence.measure(fault))", "Leave out what is not needed")
        case .fileMissing where !fault.lines.isEmpty:
            (
                "is what a hard link stands for, and is not in the tree",
                "Make the archive anew, with all names of the file"
            )
        case .fileMissing where fault.subject == "service.json":
            ("is not in it", "Put it in, beside the folder \"filesystem\"")
        case .fileMissing:
            (
                "is named in service.json and is not in the tree",
                "Correct the path (from the root of the tree) or add the file"
            )
        case .notExecutable:
            (
                "is not a program that can be executed",
                "Make it executable before packing: chmod +x"
            )
        case .badName where fault.subject == "tag" && fault.actual > 0:
            (
                "has \(fault.actual) hexadecimal digits, as the id of a box has: it would be taken for one",
                "Choose another tag"
            )
        case .badName where fault.subject == "tag":
            (
                "is not a name: it is empty, or has a space or a control character in it",
                "Choose another tag"
            )
        case .badName:
            (
                "is not a name: it is empty, has a slash or NUL, or is not UTF-8",
                "Rename it before packing"
            )
        case .notUploaded:
            ("is not on this node", "Hand it over: celautctl boxes import FILE")
        case .tooDeep:
            ("is nested too deeply\(FaultSentence.measure(fault))", "Make the tree flatter")
        default:
            ("is not valid", "Correct it and try again")
        }
    }

    /// Of a box or an instance.
    private static func isID(_ line: String) -> Bool {
        [32, 64].contains(line.utf8.count) && line.allSatisfy(\.isHexDigit)
    }

    /// Where in the bytes, for what has no limit.
    private static func place(_ fault: Fault) -> String {
        fault.limit == 0 && fault.actual > 0 ? " (at byte \(fault.actual))" : ""
    }

    private static func range(_ fault: Fault) -> String {
        if fault.limit == 0 && fault.actual == 0 { return "" }
        return fault.actual > fault.limit
            ? " (it is \(fault.actual), and may be at most \(fault.limit))"
            : " (it is \(fault.actual), and must be at least \(fault.limit))"
    }

    private static func minimum(_ fault: Fault) -> String {
        if fault.limit == 0 { return "" }
        return " (it is \(fault.actual), and must be at least \(fault.limit))"
    }
}
