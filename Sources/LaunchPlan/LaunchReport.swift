// What the launcher and the witness say: the launcher's answer to a plan, the witness's report of
// the start, and the witness's records of itself and of the end.
//
// Keeps true: each is shorter than a disk sector, so that a file holding one is there whole or not
// at all. Refuses, by field, bytes that are anything else.

import Wire

/// A step of a start that failed, and what the kernel said.
package struct LaunchFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// "mount root", "exec /bin/x".
    package let step: String
    /// errno.
    package let code: Int32

    package init(step: String, code: Int32) {
        // Four bytes each at most, so that the bound holds whatever the box's names are.
        let scalars = step.unicodeScalars.prefix(LaunchLimits.stepBytesMax / 4)
        self.step = String(String.UnicodeScalarView(scalars))
        self.code = code
    }

    package var description: String { "\(step): error \(code)" }
}

/// What became of a start, or of an instance.
package enum LaunchOutcome: Equatable, Sendable {
    /// The witness was made: its pid on the host. Its pidfd comes with the packet.
    case launched(pid: Int32)
    /// The entrypoint runs.
    case started
    /// It never ran.
    case failed(LaunchFailure)
    /// It ran and ended.
    case ended(WitnessedEnd)
}

/// The end of an instance as its witness saw it.
package struct WitnessedEnd: Equatable, Sendable {
    package enum Status: Equatable, Sendable {
        case exited(UInt8)
        case signalled(UInt8)
    }

    package var status: Status
    /// The kernel reported that the instance met its memory limit.
    package var outOfMemory: Bool
    /// The witness had been told to kill it.
    package var killed: Bool
    /// Since 1970, in nanoseconds.
    package var timeNanoseconds: UInt64

    package init(status: Status, outOfMemory: Bool, killed: Bool, timeNanoseconds: UInt64) {
        self.status = status
        self.outOfMemory = outOfMemory
        self.killed = killed
        self.timeNanoseconds = timeNanoseconds
    }
}

extension LaunchOutcome {
    /// "CLTO".
    private static let magic: UInt32 = 0x4F54_4C43
    // LIMIT: bytes; one sector, which a disk writes whole.
    package static let bytesMax = 512

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(bytesMax: Self.bytesMax)
        do throws(ByteWriter.Overflow) {
            try writer.put(Self.magic)
            switch self {
            case .launched(let pid):
                try writer.put(UInt8(1))
                try writer.put(UInt32(bitPattern: pid))
            case .started:
                try writer.put(UInt8(2))
            case .failed(let failure):
                try writer.put(UInt8(3))
                try writer.put(UInt32(bitPattern: failure.code))
                try writer.put(failure.step, max: LaunchLimits.stepBytesMax)
            case .ended(let end):
                try writer.put(UInt8(4))
                switch end.status {
                case .exited(let code):
                    try writer.put(UInt8(1))
                    try writer.put(code)
                case .signalled(let signal):
                    try writer.put(UInt8(2))
                    try writer.put(signal)
                }
                try writer.put(end.outOfMemory)
                try writer.put(end.killed)
                try writer.put(end.timeNanoseconds)
            }
        } catch {
            preconditionFailure("an outcome is shorter than its bound by construction")
        }
        return writer.bytes
    }

    package init(reading bytes: [UInt8]) throws(LaunchViolation) {
        let outcome: LaunchOutcome?
        do throws(ByteReader.Failure) {
            var reader = ByteReader(bytes)
            outcome = try Self.outcome(&reader)
            try reader.finish()
        } catch {
            throw LaunchViolation("bytes")
        }
        guard let outcome else { throw LaunchViolation("outcome") }
        self = outcome
    }

    private static func outcome(
        _ reader: inout ByteReader
    ) throws(ByteReader.Failure) -> LaunchOutcome? {
        guard try reader.uint32() == magic else { return nil }
        switch try reader.uint8() {
        case 1: return .launched(pid: Int32(bitPattern: try reader.uint32()))
        case 2: return .started
        case 3:
            let code = Int32(bitPattern: try reader.uint32())
            let step = try reader.text(max: LaunchLimits.stepBytesMax)
            return .failed(LaunchFailure(step: step, code: code))
        case 4:
            guard let status = try status(&reader) else { return nil }
            let outOfMemory = try reader.boolean()
            let killed = try reader.boolean()
            return .ended(
                WitnessedEnd(
                    status: status, outOfMemory: outOfMemory, killed: killed,
                    timeNanoseconds: try reader.uint64()))
        default: return nil
        }
    }

    private static func status(
        _ reader: inout ByteReader
    ) throws(ByteReader.Failure) -> WitnessedEnd.Status? {
        let kind = try reader.uint8()
        let value = try reader.uint8()
        switch kind {
        case 1: return .exited(value)
        case 2: return .signalled(value)
        default: return nil
        }
    }
}

/// Names inside an instance's directory.
package enum InstanceFiles {
    /// Who the witness is, by its host pid and start time: text, "pid starttime\n".
    package static let witness = "witness"
    /// The outcome: an encoded `LaunchOutcome`, `.failed` or `.ended`.
    package static let ended = "ended"
    /// The output, the newer half and the older.
    package static let output = "output.0"
    package static let outputOlder = "output.1"
    /// What it offers to children: an encoded StartInstanceRequest with nothing but `offers`.
    package static let offers = "offers"
    /// The minor number of the loop device with its writable layer: text, "7\n". Of an instance that
    /// offers something; written before its entrypoint runs.
    package static let layer = "layer"
}
