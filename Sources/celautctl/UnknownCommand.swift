import ArgumentParser

/// A word that stands where a command must and is none. The parser of arguments complains of the
/// options behind it, which are not at fault.
struct UnknownCommand: Equatable {
    // LIMIT: commands that are named: more than those of a group are no line of text any more.
    private static let shownMax = 12

    let word: String
    /// The commands before it.
    let path: [String]
    /// Those that could stand there.
    let known: [String]

    /// - Parameter words: the arguments.
    /// - Returns: nil where each word that must be a command is one.
    init?(in words: some Sequence<String>, of root: any ParsableCommand.Type) {
        var command = root
        var path = [root._commandName]
        for word in words {
            let commands = command.configuration.subcommands
            // The parser has a command of its own for help.
            guard !commands.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
            let next = commands.first { one in
                one._commandName == word || one.configuration.aliases.contains(word)
            }
            guard let next else {
                self.word = word
                self.path = path
                known = commands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
                return
            }
            command = next
            path.append(next._commandName)
        }
        return nil
    }

    var complaint: Complaint {
        let group = path.joined(separator: " ")
        let has = known.count > Self.shownMax ? "" : "It has \(known.joined(separator: ", ")). "
        return Complaint(
            "\(group) has no command \"\(word)\".",
            hint: "\(has)See: \(group) --help", code: .usage)
    }
}
