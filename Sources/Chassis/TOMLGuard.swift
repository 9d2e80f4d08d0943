/// Finds where a TOML text has what the parser takes for impossible: there it would end this process
/// (an assertion, or undefined behaviour without assertions) where it should refuse the text. None of
/// it is TOML.
///
/// Keeps true: what stands before the place found, or the whole text, is seen as the parser sees it, as
/// long as it is TOML; what is not may be seen otherwise, since the parser refuses it there.
struct TOMLGuard {
    private var rest: ArraySlice<UInt8>
    private var line = 1
    /// The arrays and inline tables around the place.
    private var around: [Around] = []
    private var expects = Expected.statement

    private enum Around {
        case array
        case table
    }

    private enum Expected {
        /// A key or a header of a table.
        case statement
        /// A key of an inline table, or its end.
        case key
        case value
        /// What follows a value.
        case end
    }

    /// The line, from 1, of what the parser would not survive; nil where there is none.
    static func fatalLine(in text: String) -> Int? {
        var guarded = TOMLGuard(rest: ArraySlice(text.utf8))
        return guarded.search()
    }

    private init(rest: ArraySlice<UInt8>) {
        self.rest = rest
    }

    private mutating func search() -> Int? {
        while let byte = rest.first {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): rest.removeFirst()
            case UInt8(ascii: "\n"): endLine()
            case UInt8(ascii: "#"): skip { $0 != UInt8(ascii: "\n") }
            default:
                guard next(byte) else { return line }
            }
        }
        return nil
    }

    private mutating func endLine() {
        rest.removeFirst()
        line += 1
        if around.isEmpty { expects = .statement }
    }

    private mutating func skip(while holds: (UInt8) -> Bool) {
        rest = rest.drop(while: holds)
    }

    /// - Returns: false where the parser would not survive.
    private mutating func next(_ byte: UInt8) -> Bool {
        switch expects {
        case .statement where byte == UInt8(ascii: "["): return header()
        case .statement, .key: key(byte)
        case .value: return value(byte)
        case .end: end(byte)
        }
        return true
    }

    /// A header has a name, or is refused for a name that is empty.
    private mutating func header() -> Bool {
        rest.removeFirst()
        skip(while: Self.isBlank)
        if rest.first == UInt8(ascii: "[") {
            rest.removeFirst()
            skip(while: Self.isBlank)
        }
        guard let byte = rest.first else { return true }
        guard Self.isName(byte) || Self.isQuote(byte) || byte == UInt8(ascii: "]") else {
            return false
        }
        // What follows is passed over: strings of names can have what looks like the end.
        while let byte = rest.first, byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "#") {
            if Self.isQuote(byte) { string(byte) } else { rest.removeFirst() }
        }
        return true
    }

    private mutating func key(_ byte: UInt8) {
        if Self.isQuote(byte) { return string(byte) }
        rest.removeFirst()
        switch byte {
        case UInt8(ascii: "="): expects = .value
        case UInt8(ascii: "}"): close()
        default: break
        }
    }

    private mutating func value(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "["):
            rest.removeFirst()
            around.append(.array)
        case UInt8(ascii: "]"):
            close()
            rest.removeFirst()
        case UInt8(ascii: "{"):
            rest.removeFirst()
            around.append(.table)
            expects = .key
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            string(byte)
            expects = .end
        default:
            // A value that begins with what ends one.
            guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "}") else { return false }
            return plain()
        }
        return true
    }

    /// A number, a date, a word. After a date and its "T" there is a time; after its " ", two digits
    /// of one, if any.
    private mutating func plain() -> Bool {
        let start = Array(rest.prefix(12))
        if start.count > 10, start[..<10].elementsEqual("0000-00-00".utf8, by: Self.fits),
            start[10] | 0x20 == UInt8(ascii: "t")
        {
            guard start.count == 12, Self.isDigit(start[11]) else { return false }
        }
        skip { byte in
            byte > 0x20
                && ![",", "]", "}", "#"].contains(where: { byte == UInt8(ascii: $0) })
        }
        expects = .end
        let after = Array(rest.prefix(3))
        return after.count < 3 || after[0] != UInt8(ascii: " ") || !Self.isDigit(after[1])
            || Self.isDigit(after[2])
    }

    private mutating func end(_ byte: UInt8) {
        rest.removeFirst()
        switch byte {
        case UInt8(ascii: ","):
            if let last = around.last { expects = last == .array ? .value : .key }
        case UInt8(ascii: "]"), UInt8(ascii: "}"): close()
        default: break
        }
    }

    private mutating func close() {
        _ = around.popLast()
        expects = .end
    }

    /// Passes over a string of any of the four kinds.
    private mutating func string(_ quote: UInt8) {
        let isLong = rest.prefix(3).elementsEqual([quote, quote, quote])
        rest.removeFirst(isLong ? 3 : 1)
        while let byte = rest.first {
            if isLong ? rest.prefix(3).elementsEqual([quote, quote, quote]) : byte == quote {
                rest.removeFirst(isLong ? 3 : 1)
                // Two more may belong to the text of a long one.
                if isLong { skip { $0 == quote } }
                return
            }
            // The parser refuses it.
            if byte == UInt8(ascii: "\n"), !isLong { return }
            if byte == UInt8(ascii: "\n") { line += 1 }
            rest.removeFirst()
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), let escaped = rest.first {
                if escaped == UInt8(ascii: "\n") { line += 1 }
                rest.removeFirst()
            }
        }
    }

    private static func fits(_ byte: UInt8, _ pattern: UInt8) -> Bool {
        pattern == UInt8(ascii: "0") ? isDigit(byte) : byte == pattern
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isQuote(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
    }

    private static func isName(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}
