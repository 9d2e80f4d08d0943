package import Interfaces

/// An error as a person reads it: what is at fault, and what to do about it.
package struct Complaint: Error, Equatable {
    package var text: String
    /// What to do; empty where nothing can be said.
    package var hint = ""
    /// Evidence, printed below: a service's last lines.
    package var lines: [String] = []
    package var code: ExitCode
    /// The daemon's answer behind it, where there is one.
    package var fault: Fault?

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
        self.fault = fault
    }

    /// For programs, on standard error: the sentence, and the condition it was made from.
    struct Report: Encodable {
        struct Condition: Encodable {
            let code: String
            let reason: String
            let subject: String
            let limit: UInt64
            let actual: UInt64
        }

        let error: String
        let hint: String
        let lines: [String]
        let exitCode: Int32
        let condition: Condition?

        init(_ complaint: Complaint) {
            error = complaint.text
            hint = complaint.hint
            lines = complaint.lines
            exitCode = complaint.code.rawValue
            condition = complaint.fault.map {
                Condition(
                    code: "\($0.code)", reason: "\($0.reason)", subject: $0.subject,
                    limit: $0.limit, actual: $0.actual)
            }
        }
    }

    /// The node's socket does not answer.
    static func noNode(_ runtime: String, subject: String) -> Complaint {
        Complaint(
            "No node answers at \(runtime) (\(subject)).",
            hint: "Start one with \"celautctl up\", or name its directory with --runtime.",
            code: .unavailable)
    }
}
