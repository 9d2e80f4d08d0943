package import Interfaces

/// What of an archive was not kept as it came, for who asks (`ImportBoxRequest.explain`).
///
/// Keeps true: every entry is counted; the first of each kind are named. Used by one thread.
package final class NormalisationLog {
    // LIMIT: entries named of each kind: more than a person reads, and some 7 MB at the worst.
    package static let entriesMax = 1_000

    // LIMIT: bytes of a path, and of what it had, in a message. Past it they are cut.
    private static let textBytesMax = 512

    // LIMIT: bytes of texts in one message; two texts more still fit a frame.
    private static let messageBytesMax = 32_768

    private struct Kind {
        var count: UInt64 = 0
        var entries: [NormalisedEntry] = []
    }

    private var kinds: [Normalisation: Kind] = [:]

    package init() {}

    func record(_ what: Normalisation, _ path: EntryPath, had: @autoclosure () -> String) {
        kinds[what, default: Kind()].count += 1
        guard kinds[what, default: Kind()].entries.count < Self.entriesMax else { return }
        var entry = NormalisedEntry()
        entry.path = path.text.cut(toBytes: Self.textBytesMax)
        entry.had = had().cut(toBytes: Self.textBytesMax)
        kinds[what, default: Kind()].entries.append(entry)
    }

    /// Nothing was recorded.
    func clear() {
        kinds = [:]
    }

    /// By kind, each as many messages as it needs.
    package func messages() -> [Normalised] {
        kinds.sorted { $0.key.rawValue < $1.key.rawValue }.flatMap { what, kind in
            var messages: [Normalised] = []
            var message = Normalised()
            message.what = what
            message.count = kind.count
            var bytes = 0
            for entry in kind.entries {
                let added = entry.path.utf8.count + entry.had.utf8.count + 16
                if bytes + added > Self.messageBytesMax {
                    messages.append(message)
                    message.entries = []
                    bytes = 0
                }
                message.entries.append(entry)
                bytes += added
            }
            return messages + [message]
        }
    }
}
