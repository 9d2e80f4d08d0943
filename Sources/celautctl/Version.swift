import ArgumentParser
import Interfaces

/// The version of this software.
enum Version {
    static let current = Release.version
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Shows the version, and the interfaces spoken.",
        discussion: "Example:\n  celautctl version --format json")

    @Option(help: "How to print: table for people, json for programs.")
    var format = NodeOptions.Format.table

    private struct Report: Encodable {
        struct Interface: Encodable {
            let name: String
            let number: UInt16
            let revisionMin: UInt16
            let revisionMax: UInt16
        }
        let version: String
        let interfaces: [Interface]
    }

    func run() {
        let interfaces = Catalogue.interfaces.map {
            Report.Interface(
                name: $0.name, number: $0.number, revisionMin: $0.revisions.lowerBound,
                revisionMax: $0.revisions.upperBound)
        }
        switch format {
        case .json: Printer.json(Report(version: Version.current, interfaces: interfaces))
        case .table:
            Printer.line("celautctl \(Version.current)")
            Printer.table(
                ["INTERFACE", "NUMBER", "REVISIONS"],
                interfaces.map {
                    [$0.name, "\($0.number)", "\($0.revisionMin)–\($0.revisionMax)"]
                })
        }
    }
}
