package import Interfaces

/// A fault as a person reads it. Daemons never send sentences: every code and every reason has its
/// words here, and nowhere else.
package struct FaultSentence: Equatable, Sendable {
    /// What is at fault.
    package let text: String
    /// What to do about it.
    package let hint: String

    package init(_ fault: Fault) {
        let words = Self.words(fault)
        hint = words.hint + "."
        text = words.sentence.prefix(1).uppercased() + words.sentence.dropFirst() + "."
    }

    typealias Phrase = (sentence: String, hint: String)

    private static func words(_ fault: Fault) -> Phrase {
        if fault.code == .invalid {
            let words = ReasonWords(fault)
            return (words.sentence, words.hint)
        }
        var words = plain(fault)
        if fault.reason != .unspecified {
            words.sentence += ": " + ReasonWords(fault).clause
        }
        return words
    }

    private static func plain(_ fault: Fault) -> Phrase {
        switch fault.code {
        case .invalid, .notFound, .alreadyExists, .inUse, .forbidden, .unauthorized,
            .unknownMethod, .unsupported, .tooLarge:
            request(fault)
        default:
            progress(fault)
        }
    }

    /// The caller asked for something that cannot be.
    private static func request(_ fault: Fault) -> Phrase {
        let subject = quoted(fault.subject)
        switch fault.code {
        case .notFound:
            return (
                "there is nothing here called \(subject)",
                "List what there is: celautctl boxes list, celautctl ps --all"
            )
        case .alreadyExists:
            return (
                "\(subject) is taken",
                "Choose another name, or end what has it: celautctl ps"
            )
        case .inUse:
            return (
                "\(subject) is in use",
                "Stop the instances that use it first: celautctl ps, celautctl stop NAME"
            )
        case .forbidden where fault.subject.hasPrefix("network "):
            return (
                "the service does not declare \(subject)",
                "Add it to \"network\" in service.json; those it declares are listed above"
            )
        case .forbidden where fault.subject.hasPrefix("family.network "):
            return (
                "a service that started this one does not declare \(subject)",
                "Every service above it must declare the network, too"
            )
        case .forbidden:
            return (
                "this user may not do that (\(subject))",
                "Run it as root, or as a user named under [callers] in the node's configuration"
            )
        case .unauthorized:
            return (
                "the token does not open \(subject)",
                "Use the token that `celautctl run` printed for this instance"
            )
        case .unknownMethod:
            return (
                "the daemon does not know the method \(subject)",
                "It is older or newer than this command; compare with: celautctl version"
            )
        case .unsupported where fault.subject == "codec":
            return (
                "what came is in none of the codecs that the node reads",
                "Those are above; --codec names the one it is in"
            )
        case .unsupported where fault.subject == "read_only_filesystem":
            return (
                "not all parts of this node know of \(subject)",
                "Restart those that are older, listed above; which they are: celautctl status"
            )
        case .unsupported:
            return (
                "this node does not offer \(subject)",
                fault.lines.isEmpty
                    ? "Change that part of service.json, or use a node that offers it"
                    : "It offers what is listed above"
            )
        case .tooLarge:
            return (
                "\(subject) is too large\(measure(fault))",
                "Make it smaller; the bound is the node's and named above"
            )
        default:
            return progress(fault)
        }
    }

    /// Something happened on the way.
    private static func progress(_ fault: Fault) -> Phrase {
        let subject = quoted(fault.subject)
        switch fault.code {
        case .limitReached:
            return (
                "the limit of \(subject) is reached\(measure(fault))",
                "Stop or remove something, wait, or raise the limit in the node's configuration"
            )
        case .deadlineExceeded where fault.limit > 0:
            return (
                "nothing, or next to nothing, came of \(subject) or was taken of it for "
                    + "\(fault.limit) seconds",
                "Look at what is at its other end; one that is a file waits for nobody"
            )
        case .deadlineExceeded:
            return (
                "it took longer than it may\(about(fault.subject))",
                "Try again, with a longer --timeout where the command has one"
            )
        case .cancelled:
            return (
                "it was cancelled\(about(fault.subject))",
                "Run the command again when you want it done"
            )
        case .unavailable:
            return (
                "the node does not answer\(about(fault.subject))",
                "See \"celautctl status\"; repeating the command is safe"
            )
        case .storageFull:
            return (
                "the disk is full\(about(fault.subject))",
                "Free some space or remove boxes (celautctl boxes remove); nothing was half-stored"
            )
        case .corrupt where fault.subject == "index":
            return (
                "the node's index of its boxes is damaged",
                "Stop the node, move box-builder's directory of its state away, start it, and import or "
                    + "pack the boxes again"
            )
        case .corrupt:
            return (
                "what is under \(subject) is not what its digest says",
                "It was altered where it came from or on the disk: get it again, or remove the box "
                    + "and pack it again"
            )
        case .endedEarly:
            return (
                "the service ended before it was ready\(about(fault.subject))",
                "Its last output is above, if it wrote any; check what the entrypoint needs in the box"
            )
        case .slotClosed:
            return (
                "the slot \(subject) accepted no connection within \(time(fault.limit))",
                "The service must listen there, on 127.0.0.1 or all addresses; a slow one needs a "
                    + "longer --timeout"
            )
        case .internal:
            return (
                "the node failed\(about(fault.subject))",
                "Its log says more: the journal, or the terminal of \"celautctl up\""
            )
        case .UNRECOGNIZED(let number):
            return (
                "the node answered with a condition this command does not know "
                    + "(\(number))\(about(fault.subject))",
                "The node is newer than this command: celautctl version"
            )
        default:
            return (
                "the node gave no reason\(about(fault.subject))",
                "Its log says more: the journal, or the terminal of \"celautctl up\""
            )
        }
    }

    static func quoted(_ subject: String) -> String {
        subject.isEmpty ? "it" : "\"\(subject)\""
    }

    static func time(_ milliseconds: UInt64) -> String {
        milliseconds == 0 ? "its time" : Words.duration(milliseconds: milliseconds)
    }

    static func about(_ subject: String) -> String {
        subject.isEmpty ? "" : " (\(subject))"
    }

    /// " (5 of at most 3)", where the fault has figures.
    static func measure(_ fault: Fault) -> String {
        switch (fault.actual, fault.limit) {
        case (0, 0): ""
        case (0, let limit): " (at most \(limit))"
        case (let actual, 0): " (\(actual))"
        case (let actual, let limit): " (\(actual), and at most \(limit))"
        }
    }
}
