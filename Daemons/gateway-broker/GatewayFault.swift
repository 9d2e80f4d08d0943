package import Interfaces

/// The faults this daemon answers with, by what happened. Sentences are made by whoever shows them.
package enum GatewayFault {
    package static func keyReused() -> Fault {
        Fault(.invalid, reason: .keyReused, subject: "key")
    }

    package static func badKey(bytes: Int) -> Fault {
        let bounds = GatewayLimits.keyBytes
        let nearest = bytes < bounds.lowerBound ? bounds.lowerBound : bounds.upperBound
        return outOfRange("key", limit: UInt64(nearest), actual: UInt64(bytes))
    }

    package static func outOfRange(_ subject: String, limit: UInt64, actual: UInt64) -> Fault {
        Fault(.invalid, reason: .outOfRange, subject: subject, limit: limit, actual: actual)
    }

    package static func belowMinimum(_ subject: String, limit: UInt64, actual: UInt64) -> Fault {
        Fault(.invalid, reason: .belowMinimum, subject: subject, limit: limit, actual: actual)
    }

    package static func badName(_ name: String) -> Fault {
        Fault(.invalid, reason: .badName, subject: printable(name))
    }

    package static func nameTooLong(_ subject: String, limit: Int, actual: Int) -> Fault {
        Fault(
            .invalid, reason: .nameTooLong, subject: subject, limit: UInt64(limit),
            actual: UInt64(actual))
    }

    package static func missing(_ subject: String) -> Fault {
        Fault(.invalid, reason: .missingKey, subject: subject)
    }

    package static func malformed(_ subject: String) -> Fault {
        Fault(.invalid, reason: .malformed, subject: subject)
    }

    package static func duplicate(_ subject: String) -> Fault {
        Fault(.invalid, reason: .duplicate, subject: printable(subject))
    }

    package static func tooLarge(_ subject: String, limit: Int, actual: Int) -> Fault {
        Fault(.tooLarge, subject: subject, limit: UInt64(limit), actual: UInt64(actual))
    }

    /// A variable the service does not declare; `lines` has those it does.
    package static func undeclared(_ variable: String, declared: [String]) -> Fault {
        Fault(
            .invalid, reason: .unknownKey, subject: "environment.\(printable(variable))",
            lines: Array(declared.sorted().prefix(40)))
    }

    /// A network the service does not declare; `lines` has those it does.
    package static func undeclaredNetwork(_ tag: String, declared: [String]) -> Fault {
        Fault(
            .forbidden, reason: .unknownKey, subject: "network \(printable(tag))",
            lines: Array(declared.sorted().prefix(40)))
    }

    /// Understood and not offered; `lines` has what is.
    package static func unsupported(_ subject: String, offered: [String] = []) -> Fault {
        Fault(.unsupported, subject: subject, lines: offered)
    }

    /// A peer from before there was what is asked for.
    package static func olderPeer(_ subject: String, _ peer: String) -> Fault {
        Fault(
            .unsupported, subject: subject,
            lines: ["\(peer) is older than gateway-broker: restart it with the version of this one"]
        )
    }

    package static func nameTaken(_ name: String) -> Fault {
        Fault(.alreadyExists, subject: name)
    }

    package static func limitReached(_ limit: String, _ bound: Int) -> Fault {
        Fault(.limitReached, subject: limit, limit: UInt64(bound), actual: UInt64(bound) + 1)
    }

    package static func wrongToken() -> Fault {
        Fault(.unauthorized, subject: "token")
    }

    /// The token opens the instance, and not for this.
    package static func outOfScope(_ scope: TokenScopes) -> Fault {
        Fault(.forbidden, subject: "scope \(scope.word)")
    }

    /// The caller may not ask this, whatever it shows.
    package static func forbidden(_ subject: String) -> Fault {
        Fault(.forbidden, subject: subject)
    }

    package static func noInstance(_ text: String) -> Fault {
        Fault(.notFound, subject: printable(text))
    }

    /// What was not found under its id can be handed over.
    package static func uploadable(_ fault: Fault, _ service: String) -> Fault {
        guard fault.code == .notFound, service.utf8.count == 64, Hexadecimal.isText(service) else {
            return fault
        }
        return Fault(.notFound, reason: .notUploaded, subject: service)
    }

    /// A prefix that several instances have; `lines` has their ids.
    package static func ambiguous(_ text: String, _ ids: [String]) -> Fault {
        Fault(
            .invalid, reason: .duplicate, subject: printable(text), lines: Array(ids.prefix(40)))
    }

    /// Somebody stopped it before it was ready.
    package static func stoppedEarly() -> Fault {
        Fault(.cancelled, subject: "stopped")
    }

    package static func storageFull() -> Fault {
        Fault(.storageFull, subject: "registry")
    }

    package static func stopping() -> Fault {
        Fault(.unavailable, subject: "gateway-broker")
    }

    package static func internalError(_ subject: String) -> Fault {
        Fault(.internal, subject: subject)
    }

    /// Whether asking again may help: the peer was away, or busy.
    static func isTransient(_ fault: Fault) -> Bool {
        switch fault.code {
        case .unavailable, .deadlineExceeded, .limitReached: true
        default: false
        }
    }

    /// What a caller sent, shortened and without control characters: it goes back to a terminal.
    private static func printable(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(64).map {
            $0.properties.generalCategory == .control ? "\u{FFFD}" : $0
        }
        return String(String.UnicodeScalarView(shown))
    }
}

/// How an end before readiness is told to whoever asked for the start.
package enum EndFault {
    /// - Parameter deadline: the ready deadline, in milliseconds.
    package static func fault(of ended: Ended, deadline: UInt32) -> Fault {
        switch ended.cause {
        case .notReady:
            Fault(
                .slotClosed, subject: ended.subject, limit: UInt64(deadline),
                lines: ended.lastLines)
        case .stopped:
            Fault(.cancelled, subject: "stopped", lines: ended.lastLines)
        case .exited:
            Fault(
                .endedEarly, subject: "exit \(ended.exitCode)", actual: UInt64(ended.exitCode),
                lines: ended.lastLines)
        case .signalled:
            Fault(
                .endedEarly, subject: "signal \(ended.signal)", actual: UInt64(ended.signal),
                lines: ended.lastLines)
        case .outOfMemory:
            Fault(.endedEarly, subject: "out of memory", lines: ended.lastLines)
        case .startFailed:
            Fault(.endedEarly, subject: ended.subject, lines: ended.lastLines)
        case .deadline:
            Fault(.endedEarly, subject: "deadline", lines: ended.lastLines)
        case .lost, .unspecified, .UNRECOGNIZED:
            Fault(.endedEarly, subject: "lost", lines: ended.lastLines)
        }
    }
}
