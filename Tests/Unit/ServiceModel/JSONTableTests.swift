// What a description may be written as: one meaning for each text, or none.

import ServiceModel
import Testing

private func read(_ text: String) throws -> JSONValue { try JSONReader.read(Array(text.utf8)) }

private func nested(_ depth: Int) -> [UInt8] {
    Array(repeating: UInt8(ascii: "["), count: depth)
        + Array(repeating: UInt8(ascii: "]"), count: depth)
}

@Suite struct JSONTableTests {
    @Test(
        "A text that is a document has its one value",
        arguments: [
            ("null", JSONValue.null), (" true\r\n", .bool(true)), ("\tfalse", .bool(false)),
            ("0", .integer(0)), ("-0", .integer(0)),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)),
            ("1.0", .number(1)), ("1e3", .number(1_000)), ("25E-2", .number(0.25)),
            ("1e+2", .number(100)), ("1e-999", .number(0)),
            (#""""#, .string("")), (#""é""#, .string("é")),
            (#""\"\\\/\b\f\n\r\t""#, .string("\"\\/\u{8}\u{C}\n\r\t")),
            (#""\u00e9\u00E9""#, .string("éé")), (#""\ud83d\ude00""#, .string("😀")),
            (#""\udbff\udfff""#, .string("\u{10FFFF}")),
            ("[]", .array([])), ("[1, [ ]]", .array([.integer(1), .array([])])),
            ("{}", .object([])),
            (
                #"{"b":1,"a":{"b":2}}"#,
                .object([("b", .integer(1)), ("a", .object([("b", .integer(2))]))])
            ),
        ] as [(String, JSONValue)])
    func accepts(_ text: String, _ value: JSONValue) throws {
        #expect(try read(text) == value)
    }

    @Test(
        "A text that is no document is refused",
        arguments: [
            "", " ", "nul", "nullx", "True", "null null", "{} x", "[1]]", "\u{FEFF}{}",
            "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "1e400", "-1e999",
            "1e99999999999999999999", "[1,]", "[,1]", "[1 2]", "[", "[1", "{", #"{"a"}"#,
            #"{"a":}"#, #"{"a":1,}"#, #"{a:1}"#, #"{1:1}"#, #"{"a":1 "b":2}"#, "'a'", "// x\n1",
            #"""#, #""\"#, #""\x""#, #""\u12""#, #""\u12g4""#, #""\u+123""#,
            #""\ud800""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\u0041""#, #""\ud800\ud800""#,
            #""\udc00""#, "\"a\nb\"", "\"a\tb\"", "\"\u{0}\"",
        ])
    func refuses(_ text: String) {
        let error = #expect(throws: JSONError.self) { try read(text) }
        guard case .malformed(let offset) = error else {
            Issue.record("\(text): \(String(describing: error))")
            return
        }
        #expect((0...text.utf8.count).contains(offset))
    }

    @Test(
        "A string that is not UTF-8 is refused",
        arguments: [
            [0x80], [0xFF], [0xC0, 0x80], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
        ] as [[UInt8]])
    func refusesBytes(_ bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONReader.read([0x22] + bytes + [0x22]) }
    }

    @Test("A key that is twice in one object is refused, however it is spelled")
    func refusesDuplicates() throws {
        for (text, path) in [
            (#"{"a":1,"a":1}"#, "a"), (#"{"a":1,"b":2,"\u0061":3}"#, "a"),
            (#"[{"x":{"a":1,"a":2}}]"#, "[0].x.a"),
        ] {
            #expect(throws: JSONError.duplicateKey(path)) { try read(text) }
        }
        #expect(throws: Never.self) { try read(#"{"a":{"a":1},"A":1}"#) }
    }

    @Test("A document is read to its bound of depth and not past it")
    func boundsDepth() throws {
        let most = JSONReader.depthMax
        #expect(throws: Never.self) { try JSONReader.read(nested(most + 1)) }
        for depth in [most + 2, 100_000] {
            #expect(throws: JSONError.tooDeep(limit: most)) { try JSONReader.read(nested(depth)) }
        }
    }

    @Test("No prefix of a document and no change of one byte traps")
    func survivesChanges() {
        let bytes = Array(#"{"a":[1,-2.5e3,"\ud83d\ude00é",true,null,{"b":{}}]}"#.utf8)
        for index in bytes.indices {
            #expect(throws: JSONError.self) { try JSONReader.read(Array(bytes[..<index])) }
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << bit
                _ = try? JSONReader.read(changed)
            }
        }
    }
}
