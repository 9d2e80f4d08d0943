package import Interfaces

/// What `observe` shows on a terminal: how an instance stands, what passes through its slots and how
/// fast, and the last of what it wrote. Pure: reports go in with the time, lines come out.
///
/// Keeps true: never more lines than there is room for, none wider; what an instance writes cannot
/// reach the terminal as anything but text.
package struct ObserveScreen {
    // LIMIT: 200 lines of 400 characters of output are kept: more than a screen shows.
    private static let linesMax = 200
    private static let columnsMax = 400

    private var report: ServiceReport?
    private var atMs: UInt64 = 0
    private var before: (report: ServiceReport, atMs: UInt64)?
    private var written: [String] = []
    private var unfinished = ""

    package init() {}

    package mutating func take(_ item: ObserveServiceItem, atMs now: UInt64) {
        switch item.event {
        case .report(let next):
            if let report { before = (report, atMs) }
            report = next
            atMs = now
        case .output(let output):
            write(output)
        case nil:
            break
        }
    }

    private mutating func write(_ output: OutputItem) {
        if output.droppedBytes > 0 {
            written.append("[\(Words.bytes(output.droppedBytes)) of output were not kept]")
        }
        for scalar in String(decoding: output.dataBytes, as: UTF8.self).unicodeScalars {
            if scalar == "\n" {
                written.append(unfinished)
                unfinished = ""
            } else if unfinished.unicodeScalars.count < Self.columnsMax {
                unfinished.unicodeScalars.append(Self.shown(scalar))
            }
        }
        if written.count > Self.linesMax { written.removeFirst(written.count - Self.linesMax) }
    }

    /// A terminal acts on control characters, and on some that only change its direction.
    private static func shown(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.properties.generalCategory {
        case .control: scalar == "\t" ? " " : "\u{FFFD}"
        case .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
            "\u{FFFD}"
        default: scalar
        }
    }

    // MARK: Showing

    package func lines(columns: Int, rows: Int) -> [String] {
        guard let report else { return [] }
        let text = ServiceReportText(report)
        var lines = head(text)
        if !report.traffic.isEmpty {
            lines.append("")
            lines += Printer.aligned([Self.headings] + report.traffic.map(traffic))
        }
        if !text.children.isEmpty {
            lines += [
                "", "children  " + text.children.map { $0.prefix(12) }.joined(separator: " "),
            ]
        }
        let last = unfinished.isEmpty ? written : written + [unfinished]
        // The cursor needs the last line.
        let room = max(0, rows - 1 - lines.count - 2)
        if !last.isEmpty, room > 0 { lines += ["", "output"] + last.suffix(room) }
        return lines.prefix(max(0, rows - 1)).map { String($0.prefix(columns)) }
    }

    private func head(_ text: ServiceReportText) -> [String] {
        let instance = text.instance
        let processor = rate { $0.instance.state.usage.cpuUs }.map {
            // Microseconds of processor in a second, in hundredths.
            ", \($0 / 10_000) % now"
        }
        return Printer.aligned([
            [instance.name, "\(instance.id.prefix(12)) of \(instance.service.prefix(12))"],
            ["state", instance.ended.map { "ended: \($0.words)" } ?? instance.phase],
            [
                "memory",
                "\(Words.bytes(instance.memoryBytes)) of \(Words.bytes(instance.memoryLimitBytes))"
                    + ", most \(Words.bytes(instance.memoryPeakBytes))",
            ],
            [
                "cpu",
                Words.duration(milliseconds: instance.cpuUs / 1_000) + (processor ?? ""),
            ],
            ["processes", String(instance.processes)],
            ["disk", Words.bytes(instance.diskBytes)],
        ])
    }

    private static let headings = [
        "SLOT", "ADDRESS", "OPEN", "CONNECTIONS", "IN", "IN/S", "OUT", "OUT/S",
    ]

    private func traffic(_ slot: SlotTraffic) -> [String] {
        func same(_ other: SlotTraffic) -> Bool {
            other.slot == slot.slot && other.transport == slot.transport
        }
        func speed(_ bytes: @escaping (SlotTraffic) -> UInt64) -> String {
            rate { $0.traffic.first(where: same).map(bytes) ?? 0 }.map { Words.bytes($0) } ?? "-"
        }
        let address = report?.instance.addresses.first {
            $0.slot == slot.slot && $0.transport == slot.transport
        }
        return [
            "\(slot.slot)/\(slot.transport.word)",
            address.map { "\($0.host):\($0.port)" } ?? "-", String(slot.openConnections),
            String(slot.connections), Words.bytes(slot.bytesToInstance),
            speed { $0.bytesToInstance }, Words.bytes(slot.bytesFromInstance),
            speed { $0.bytesFromInstance },
        ]
    }

    /// How fast a figure grew between the last two reports, per second.
    private func rate(_ figure: (ServiceReport) -> UInt64) -> UInt64? {
        guard let report, let before, atMs > before.atMs else { return nil }
        let (now, then) = (figure(report), figure(before.report))
        guard now >= then else { return nil }
        let (grown, overflow) = (now - then).multipliedReportingOverflow(by: 1_000)
        return overflow ? nil : grown / (atMs - before.atMs)
    }
}
