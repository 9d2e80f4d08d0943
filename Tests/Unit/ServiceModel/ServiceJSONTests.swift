// A service written as JSON is read as the same value with the same id, and the text is the one RFC
// 8785 wants.

import ServiceModel
import Testing

/// What a codec's reader gives, contents named by what they are.
private func read<Reader: BoxReader>(
    _ reader: consuming Reader, _ bytes: [UInt8], runs: (Int) -> Int = { _ in 65_536 }
) throws(CanonicalError) -> (service: Service, tree: FileTree, bytes: UInt64) {
    var reader = reader
    var content: [UInt8] = []
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, start + max(1, runs(start)))
        var rest = bytes[start..<end]
        while let event = try reader.next(&rest) {
            switch event {
            case .literal: continue
            case .contentBegins: content = []
            case .content(let part): content += part
            case .contentEnds: try reader.setContent(GeneratedService.digest(of: content))
            }
        }
        start = end
    }
    return try reader.finish()
}

extension GeneratedService {
    /// The whole document.
    func json() throws -> [UInt8] {
        var writer = ServiceJSONWriter(try ServiceJSON.frame(service))
        CanonicalForm.emitFilesystem(
            tree, literal: { writer.filesystem($0) },
            content: { digest, _ in
                let content = contents[digest] ?? []
                // SAFETY: bytes have no padding.
                unsafe writer.filesystem(content.span.bytes)
            })
        writer.finish()
        return writer.take()
    }
}

@Suite("The codec json")
struct ServiceJSONTests {
    @Test("gives the same value and the same id, in runs of any size", arguments: 1...40)
    func roundTrip(number: Int) throws {
        let seed = UInt64.random(in: .min ... .max)
        let made = GeneratedService(seed: seed)
        let text = try made.json()
        var chance = SeededGenerator(state: seed)
        let back = try read(ServiceJSONReader(), text) { _ in
            number % 4 == 0 ? 1 : Int.random(in: 1...(number * 50), using: &chance)
        }
        #expect(back.service == made.service, "seed \(seed)")
        #expect(back.tree == made.tree, "seed \(seed)")
        #expect(back.bytes == UInt64(text.count), "seed \(seed)")
        var again = made
        again.service = back.service
        again.tree = back.tree
        #expect(again.bytes == made.bytes, "seed \(seed)")
        // Once canonical, always: the whole document, read and written by the other pair.
        #expect(JSONWriter.bytes(try JSONReader.read(text)) == text, "seed \(seed)")
    }

    @Test("has names sorted, numbers of 64 bits as text and bytes in base64")
    func document() throws {
        var service = Service()
        service.prose = "\u{E9}\"\u{7}"
        service.container.resources = Resources(
            atInit: Sysresources(memLimit: UInt64.max), atMost: Sysresources())
        service.container.architecture = Architecture(tags: ["a"], formal: [0xFB, 0xFF])
        service.api.slots = [Slot(port: 80, transport: Definition(tags: ["tcp"]))]
        let frame = try ServiceJSON.frame(service)
        let text = String(decoding: frame.before + frame.after, as: UTF8.self)
        #expect(
            text == #"{"api":{"slot":[{"port":80,"transport":{"tags":["tcp"]}}]},"#
                + #""container":{"architecture":{"formal":"+/8=","tags":["a"]},"filesystem":"","#
                + #""resources":{"atInit":{"memLimit":"18446744073709551615"}}},"#
                + "\"prose\":\"\u{E9}\\\"\\u0007\"}")
        #expect(frame.after.starts(with: Array("\",\"resources".utf8)))
    }

    @Test(
        "refuses what it does not understand by the path of its key",
        arguments: [
            (#"{"colour":1}"#, "colour"), (#"{"container":{"init":{"x":1}}}"#, "container.init.x"),
            (#"{"api":{"slot":[{"port":"80"}]}}"#, "api.slot[0].port"),
            (#"{"api":{"slot":{}}}"#, "api.slot"),
            (#"{"container":{"architecture":{"formal":"AB=="}}}"#, "container.architecture.formal"),
            (#"{"container":{"files\u0079stem":"QUJD"}}"#, "container.filesystem"),
            (
                #"{"container":{"resources":{"atInit":{"memLimit":"-1"}}}}"#,
                "container.resources.atInit.memLimit"
            ),
        ])
    func refusals(text: String, path: String) {
        do throws(CanonicalError) {
            _ = try read(ServiceJSONReader(), Array(text.utf8))
            Issue.record("accepted")
        } catch {
            #expect(error.condition == .malformed && error.path == path)
        }
    }

    @Test("takes a whole number however JSON writes it, and no other")
    func numbers() throws {
        for number in ["80", "80.0", "8e1", "8E+1", "0.8e2", "800e-1"] {
            let text = #"{"api":{"slot":[{"port":"# + number + "}]}}"
            let read = try read(ServiceJSONReader(), Array(text.utf8)).service
            #expect(read.api.slots.map(\.port) == [80], "\(number)")
        }
        for number in ["80.5", "-1", "-0.5", "4294967296", "1e20", "true", "null1"] {
            let text = #"{"api":{"slot":[{"port":"# + number + "}]}}"
            #expect(throws: CanonicalError.self, "\(number)") {
                try read(ServiceJSONReader(), Array(text.utf8))
            }
        }
        // Past it a double is no whole number that was meant.
        let resources: (String) -> [UInt8] = {
            Array((#"{"container":{"resources":{"atMost":{"memLimit":"# + $0 + "}}}}").utf8)
        }
        let most = try read(ServiceJSONReader(), resources("9007199254740992.0")).service
        #expect(most.container.resources?.atMost.memLimit == 1 << 53)
        #expect(throws: CanonicalError.self) {
            try read(ServiceJSONReader(), resources("9007199254740994.0"))
        }
    }

    @Test("takes slashes as other writers escape them, also in the filesystem", arguments: 1...9)
    func slashes(seed: UInt64) throws {
        let made = GeneratedService(seed: seed)
        let text = try made.json().flatMap { byte in
            byte == UInt8(ascii: "/") ? [UInt8(ascii: "\\"), byte] : [byte]
        }
        let back = try read(ServiceJSONReader(), text) { _ in Int(seed) }
        #expect(back.service == made.service && back.tree == made.tree)
        #expect(throws: CanonicalError.self) {
            let document = #"{"container": {"filesystem": "A\u0041AA"}}"#
            _ = try read(ServiceJSONReader(), Array(document.utf8))
        }
    }

    @Test("is refused at the byte that is wrong, before the filesystem and behind it")
    func offsets() {
        let before = #"{"container":{x"filesystem":"CgUKAWESAA=="}}"#
        let after = #"{"container":{"filesystem":"CgUKAWESAA==","init":{},}}"#
        for (text, offset) in [(before, 14), (after, after.utf8.count - 2)] {
            let error = #expect(throws: CanonicalError.self) {
                try read(ServiceJSONReader(), Array(text.utf8))
            }
            #expect(error?.condition == .malformed && error?.offset == UInt64(offset), "\(text)")
        }
    }

    @Test("is not written for a service whose bytes say more than its values")
    func notExpressible() throws {
        var dependency = Dependency()
        // Field 99 of a service is known to nobody.
        dependency.service = [0x9A, 0x06, 1, 7]
        var workload = Workload()
        workload.dependency = dependency
        var service = Service()
        service.possibleEnvironmentWorkload = [WorkloadScenario(workloads: [workload])]
        #expect(throws: ServiceJSON.NotExpressible()) { try ServiceJSON.frame(service) }
    }

    @Test("No cut and no flipped bit traps, and no cut is accepted")
    func mutations() throws {
        let seed = UInt64.random(in: .min ... .max)
        let text = try GeneratedService(seed: seed, depth: 1).json()
        var chance = SeededGenerator(state: seed)
        for end in stride(from: 0, to: text.count, by: max(1, text.count / 250)) {
            #expect(throws: CanonicalError.self, "seed \(seed)") {
                try read(ServiceJSONReader(), Array(text[..<end]))
            }
        }
        for _ in 0..<250 {
            var other = text
            other[Int.random(in: 0..<other.count, using: &chance)] ^=
                1 << UInt8.random(in: 0...7, using: &chance)
            _ = try? read(ServiceJSONReader(), other)
        }
    }
}

@Suite("Canonical JSON")
struct JSONWriterTests {
    private func canonical(_ text: String) throws -> String {
        String(decoding: JSONWriter.bytes(try JSONReader.read(Array(text.utf8))), as: UTF8.self)
    }

    // RFC 8785, 3.2.2 to 3.2.4.
    @Test("is that of the example of RFC 8785")
    func example() throws {
        let text = #"""
            {"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
             "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
             "literals": [null, true, false]}
            """#
        #expect(
            try canonical(text)
                == #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#
                + "\"string\":\"\u{20AC}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}")
    }

    @Test("sorts keys by their UTF-16 units")
    func keys() throws {
        let text = #"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#
        #expect(
            try canonical(text)
                == "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{F6}\":7,\"\u{20AC}\":1,\"\u{1F600}\":5,"
                + "\"\u{FB33}\":3}")
    }

    // RFC 8785, 3.2.2.3: a number is a double, however many digits it was written with.
    @Test(
        "writes whole numbers past those of a double as the double they are",
        arguments: [
            ("9007199254740992", "9007199254740992"), ("9007199254740993", "9007199254740992"),
            ("-9007199254740993", "-9007199254740992"),
            ("9223372036854775807", "9223372036854776000"), ("-0", "0"), ("1.0", "1"),
        ])
    func wholeNumbers(text: String, written: String) throws {
        #expect(try canonical(text) == written)
    }

    // RFC 8785, appendix B.
    @Test(
        "writes numbers as ECMAScript does",
        arguments: [
            (UInt64(0x0000_0000_0000_0001), "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"), (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"), (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
            (0x4340_0000_0000_0001, "9007199254740994"),
            (0x43e0_0000_0000_0000, "9223372036854776000"),
            (0x8000_0000_0000_0000, "0"),
        ])
    func numbers(bits: UInt64, text: String) {
        #expect(
            String(decoding: JSONWriter.bytes(.number(Double(bitPattern: bits))), as: UTF8.self)
                == text)
    }
}
