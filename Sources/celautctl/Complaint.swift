package import Interfaces

/// An error as a person reads it: what is at fault, and what to do about it.
package struct Complaint: Error, Equatable {
    package var text: String
    /// What to do; empty where nothing can be said.
    package var hint = ""
    /// Evidence, printed below: a service's last lines.
    package var lines: [String] = []
    package var code: ExitCode

    package init(_ text: String, hint: String = "", lines: [String] = [], code: ExitCode) {
        self.text = text
        self.hint = hint
        self.lines = lines
        self.code = code
    }
}

extension Complaint {
    package init(_ fault: Fault) {
        let sentence = FaultSentence(fault)
        self.init(
            sentence.text, hint: sentence.hint, lines: fault.lines, code: ExitCode(fault))
    }

    /// The node's socket does not answer.
    static func noNode(_ runtime: String, subject: String) -> Complaint {
        Complaint(
            "No node answers at \(runtime) (\(subject)).",
            hint: "Start one with \"celautctl up\", or name its directory with --runtime.",
            code: .unavailable)
    }
}
