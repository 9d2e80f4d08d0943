import ArgumentParser
import ServiceModel
import Syscalls

/// The codecs a node understands, as a command.
extension Boxes {
    /// `celautctl boxes codecs`: the file by which two nodes find a codec that both understand.
    struct CodecList: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "codecs",
            abstract: "Says which codecs and digests the node understands.",
            discussion: """
                With --format json it is the file that another node reads to find what both understand \
                (Protocols/models/codecs.schema.json); --codecs-of of "boxes export" takes such a file.

                Example:
                  celautctl boxes codecs --format json > codecs.json
                """)

        @Option(help: "How to print: table for people, json for programs.")
        var format = NodeOptions.Format.table

        func run() {
            switch format {
            case .json: Printer.emit(Codecs.ours.encoded + [0x0A], to: .output)
            case .table:
                let names = zip(["SHA3-256", "SHA-256", "BLAKE2b-256"], Codecs.ours.hashes)
                Printer.table(
                    ["CODEC OR DIGEST", "WHAT IT IS"],
                    Codecs.ours.codecs.map { [$0, Self.meanings[$0] ?? ""] }
                        + names.map { [$0, "of nothing: \($1.prefix(16))…"] })
            }
        }

        private static let meanings = [
            "proto3": "the bytes the id is computed over (.celaut, .celaut.bee)",
            "json": "canonical JSON, the filesystem in base64",
            "json+zip": "a zip with the filesystem as files",
        ]
    }
}

extension CodecName {
    /// The codec for a node of which only the file is known: ours that is preferred, of those it has.
    init(common theirs: Codecs) throws(Complaint) {
        guard let codec = Codecs.common(.ours, theirs),
            let name = CodecName(rawValue: codec.rawValue)
        else {
            throw Complaint(
                "The other node has no codec in common with ours.",
                lines: [
                    "ours: \(Codecs.ours.codecs.joined(separator: ", "))",
                    "theirs: \(theirs.codecs.map(Words.printable).joined(separator: ", "))",
                ], code: .invalidInput)
        }
        self = name
    }

    /// The codec for a node whose file was given.
    static func common(file path: String) throws(Complaint) -> CodecName {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.readAll(path, limit: Codecs.bytesMax)
        } catch {
            throw Complaint("\(path) cannot be read: \(error).", code: .notFound)
        }
        guard let theirs = Codecs(bytes) else {
            throw Complaint(
                "\(path) does not say which codecs a node understands.",
                hint: "Have it made there: celautctl boxes codecs --format json",
                code: .invalidInput)
        }
        return try CodecName(common: theirs)
    }
}
