internal import Wire

/// A condition the caller of a method must handle: the one error that travels between processes.
///
/// Keeps true: a fault fits a frame, whatever its subject and evidence were (both are cut when it
/// is written). It has no sentence for people; `celautctl` makes those from code and reason.
package struct Fault: Error, Equatable, Sendable {
    package typealias Code = WireFaultCode
    package typealias Reason = WireFaultReason

    /// The condition, for programs.
    package var code: Code
    /// What exactly about the subject, where one code has several causes.
    package var reason: Reason
    /// The thing at fault: a path in a tar, a key of a file, a digest, a limit's name.
    package var subject: String
    /// The bound that was met, in the subject's unit; 0 when the condition has none.
    package var limit: UInt64
    /// What was asked or found where `limit` applies.
    package var actual: UInt64
    /// Evidence: the last output of an instance that failed, the values accepted.
    package var lines: [String]

    package init(
        _ code: Code, reason: Reason = .unspecified, subject: String = "", limit: UInt64 = 0,
        actual: UInt64 = 0, lines: [String] = []
    ) {
        self.code = code
        self.reason = reason
        self.subject = subject
        self.limit = limit
        self.actual = actual
        self.lines = lines
    }

    /// A field or the input does not say what it must; `subject` names it.
    package static func invalid(
        _ reason: Reason, subject: String, limit: UInt64 = 0, actual: UInt64 = 0
    ) -> Fault {
        Fault(.invalid, reason: reason, subject: subject, limit: limit, actual: actual)
    }

    /// The subject is larger than its bound, in the subject's unit.
    package static func tooLarge(subject: String, limit: UInt64, actual: UInt64) -> Fault {
        Fault(.tooLarge, subject: subject, limit: limit, actual: actual)
    }

    /// A bound on how many or how much is reached; `subject` is the limit's name.
    package static func limitReached(
        subject: String, limit: UInt64, actual: UInt64 = 0
    ) -> Fault {
        Fault(.limitReached, subject: subject, limit: limit, actual: actual)
    }

    package static var cancelled: Fault { Fault(.cancelled) }
    package static var deadlineExceeded: Fault { Fault(.deadlineExceeded) }
}

extension Fault {
    /// What a peer sent. Unknown codes and reasons are kept as their numbers.
    package init(_ message: WireFault) {
        self.init(
            message.code, reason: message.reason, subject: message.subject, limit: message.limit,
            actual: message.actual, lines: message.lines)
    }

    /// What is sent to a peer, cut to the bounds of the wire.
    package var message: WireFault {
        var message = WireFault()
        message.code = code
        message.reason = reason
        message.subject = subject.cut(toBytes: WireLimits.subjectBytesMax)
        message.limit = limit
        message.actual = actual
        message.lines = lines.suffix(WireLimits.faultLinesMax).map {
            $0.cut(toBytes: WireLimits.faultLineBytesMax)
        }
        return message
    }
}

extension Fault: CustomStringConvertible {
    /// For logs.
    package var description: String {
        var text = "\(code)"
        if reason != .unspecified { text += "/\(reason)" }
        if !subject.isEmpty { text += " \(subject)" }
        if limit != 0 || actual != 0 { text += " (limit \(limit), actual \(actual))" }
        return text
    }
}

extension String {
    /// The longest start of the text that has at most so many bytes of UTF-8 and ends between
    /// two scalars.
    package func cut(toBytes bytesMax: Int) -> String {
        guard utf8.count > bytesMax else { return self }
        // A slice begins and ends between two scalars: its indices are rounded down to one.
        return String(self[..<utf8.index(utf8.startIndex, offsetBy: bytesMax)])
    }
}
