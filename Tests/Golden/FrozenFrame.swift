// A file of Protocols/frozen: the values its head names, and the bytes below. Reading one refuses
// what it does not understand, so that no part of a file goes unchecked.

import FoundationEssentials
import Testing
import Wire

/// A frame as a released revision writes it.
struct FrozenFrame: CustomTestStringConvertible, Sendable {
    /// The folder and file: "revision-1/end".
    let name: String
    /// The values of the header, from the head of the file.
    let header: FrameHeader
    /// The body's message; "" for an empty body without one.
    let bodyName: String
    /// The body in protobuf's text format.
    let bodyText: String
    /// The frame.
    let packet: [UInt8]

    var testDescription: String { name }
    var body: [UInt8] { Array(packet.dropFirst(WireLimits.headerBytes)) }

    struct Unreadable: Error {
        let file: String
        let line: String
    }

    init(name: String, text: String) throws {
        var frame = ""
        var bodyName = ""
        var bodyText: [Substring] = []
        var packet: [UInt8] = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# frame: ") {
                frame = String(line.dropFirst(9))
            } else if line.hasPrefix("# body: ") {
                bodyName = String(line.dropFirst(8))
            } else if line.hasPrefix("#") {
                if !bodyName.isEmpty { bodyText.append(line.dropFirst()) }
            } else {
                let bytes = line.prefix { $0 != "#" }.split(separator: " ")
                for digits in bytes {
                    guard digits.count == 2, let byte = UInt8(digits, radix: 16) else {
                        throw Unreadable(file: name, line: String(line))
                    }
                    packet.append(byte)
                }
            }
        }
        self.name = name
        self.bodyName = bodyName
        self.bodyText = bodyText.joined(separator: "\n")
        self.packet = packet
        header = try Self.header(
            frame, bodyBytes: packet.count - WireLimits.headerBytes, file: name)
    }

    private static func header(
        _ text: String, bodyBytes: Int, file: String
    ) throws -> FrameHeader {
        let words = text.split(separator: " ")
        let kinds = Dictionary(uniqueKeysWithValues: FrameKind.allCases.map { ("\($0)", $0) })
        guard let kind = words.first.flatMap({ kinds[String($0)] }), bodyBytes >= 0 else {
            throw Unreadable(file: file, line: text)
        }
        var header = FrameHeader(kind, bodyBytes: UInt32(bodyBytes))
        for word in words.dropFirst() {
            let parts = word.split(separator: "=")
            guard parts.count == 2, let value = UInt64(parts[1]) else {
                throw Unreadable(file: file, line: text)
            }
            switch parts[0] {
            case "interface": header.interface = UInt16(value)
            case "method": header.method = UInt16(value)
            case "transaction": header.transaction = value
            case "deadline": header.deadlineMicroseconds = value
            case "descriptors": header.descriptors = UInt16(value)
            default: throw Unreadable(file: file, line: text)
            }
        }
        return header
    }

    /// Every frame of every revision, sorted by name.
    static let all: [FrozenFrame] = {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let folder = "/\(root)/Protocols/frozen"
        let files = FileManager.default
        var frames: [FrozenFrame] = []
        do {
            for revision in try files.contentsOfDirectory(atPath: folder).sorted()
            where revision.hasPrefix("revision-") {
                let path = "\(folder)/\(revision)"
                for file in try files.contentsOfDirectory(atPath: path).sorted() {
                    let contents = files.contents(atPath: "\(path)/\(file)") ?? Data()
                    frames.append(
                        try FrozenFrame(
                            name: "\(revision)/\(file.dropLast(4))",
                            text: String(decoding: contents, as: UTF8.self)))
                }
            }
        } catch {
            preconditionFailure("frozen frames: \(error)")
        }
        return frames
    }()
}
