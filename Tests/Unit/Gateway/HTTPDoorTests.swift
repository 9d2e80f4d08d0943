// What an HTTP door reads of strangers, before anybody is asked: any bytes are a refusal or a value
// that keeps its promises, and never a trap.

import Chassis
import Interfaces
import NIOCore
import SharedCrypto
import Syscalls
import Testing
import gateway_broker

@Suite("What an HTTP door reads and writes") struct HTTPDoorTests {
    private static func mutated(_ text: String, _ numbers: inout SeededGenerator) -> String {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &numbers) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &numbers)
            switch Int.random(in: 0..<4, using: &numbers) {
            case 0: bytes.remove(at: place)
            case 1: bytes.insert(bytes[place], at: place)
            case 2: bytes[place] = Array("/%?&=+0aF".utf8).randomElement(using: &numbers) ?? 0
            default: bytes[place] = UInt8.random(in: 0...255, using: &numbers)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(
        "a target is its path and its query, decoded once",
        arguments: [
            ("/", [""], [:]), ("/a/b", ["a", "b"], [:]), ("/a%2Fb", ["a/b"], [:]),
            ("/%2525", ["%25"], [:]), ("/a?x=1&y", ["a"], ["x": "1", "y": ""]),
            ("/a?x=%26+", ["a"], ["x": "&+"]), ("/a?", ["a"], [:]), ("//", ["", ""], [:]),
        ] as [(String, [String], [String: String])])
    func targets(text: String, path: [String], query: [String: String]) throws {
        let target = try HTTPTarget(text)
        #expect(target.path == path && target.query == query)
    }

    @Test(
        "what is no target is refused",
        arguments: ["", "a", "*", "http://x/", "/%", "/%f", "/%zz", "/%ff", "/%00", "/a?x=1&x=2"])
    func noTargets(text: String) {
        let fault = #expect(throws: Fault.self) { try HTTPTarget(text) }
        #expect(fault?.code == .invalid)
    }

    @Test(
        "any text is a target without NUL and of valid text, or is refused as invalid or too large")
    func anyTarget() {
        var numbers = SeededGenerator(seed: 21)
        let sample = "/v1/instances/%2D%41?ended=true&interval_ms=100&x=%C3%A9"
        for _ in 0..<20_000 {
            do throws(Fault) {
                let target = try HTTPTarget(Self.mutated(sample, &numbers))
                let words = target.path + target.query.keys + target.query.values
                #expect(words.allSatisfy { !$0.utf8.contains(0) })
            } catch {
                #expect(error.code == .invalid)
            }
        }
        let long = #expect(throws: Fault.self) {
            try HTTPTarget("/" + String(repeating: "a", count: 4_096))
        }
        #expect(long?.code == .tooLarge)
    }

    @Test(
        "each route is found where it is, and the others of its place are told for another method")
    func routes() {
        for route in HTTPRoute.all {
            let path = route.path.map { $0.hasPrefix("{") ? "x-1" : $0 }
            guard case .route(let found, let place) = HTTPRoute.find(route.method, path) else {
                Issue.record("\(route.operation) is not found")
                continue
            }
            #expect(found.operation == route.operation)
            #expect(place.values.allSatisfy { $0 == "x-1" })
            guard case .otherMethods(let others) = HTTPRoute.find("TRACE", path) else {
                Issue.record("TRACE \(route.path)")
                continue
            }
            #expect(others.contains(route.method) && others == others.sorted())
            if case .nothing = HTTPRoute.find(route.method, path + [""]) {
            } else {
                Issue.record("\(route.path) has something below it")
            }
        }
    }

    @Test("any method and path lead to a route of that method, to other methods, or nowhere")
    func anyRoute() {
        var numbers = SeededGenerator(seed: 22)
        for round in 0..<20_000 {
            let route = HTTPRoute.all[round % HTTPRoute.all.count]
            let text = Self.mutated("/" + route.path.joined(separator: "/"), &numbers)
            guard let target = try? HTTPTarget(text) else { continue }
            if case .route(let found, let place) = HTTPRoute.find(route.method, target.path) {
                #expect(found.method == route.method)
                #expect(place.values.allSatisfy { !$0.isEmpty })
            }
        }
    }

    @Test("two methods of the schema are never at one place, and each is at one")
    func placesAreOnesOwn() {
        let places = HTTPRoute.all.map { "\($0.method) \($0.path)" }
        #expect(Set(places).count == places.count)
        let names = HTTPRoute.all.map(\.operation)
        #expect(Set(names).count == names.count)
        let known = Set(GatewayBrokerInterface.descriptor.methods.map(\.name))
        #expect(names.allSatisfy(known.contains))
    }

    @Test("a deadline is a whole number of milliseconds of at most an hour, or is none")
    func deadlines() {
        func read(_ text: String) -> Int? {
            HTTPRequest(
                method: "GET", target: "/", headers: [("celaut-deadline-ms", text)], body: []
            ).deadlineMs
        }
        #expect(read("1") == 1 && read("3600000") == 3_600_000)
        for text in ["0", "-1", "3600001", "", "1.5", "1e3", "99999999999999999999", "1 "] {
            #expect(read(text) == nil, "\(text)")
        }
    }

    @Test("every condition has a status of its kind, and a failure of ours alone has 500")
    func statuses() {
        for code in Fault.Code.allCases {
            let status = HTTPAnswer.status(Fault(code))
            #expect((400..<600).contains(status), "\(code)")
            let isOurs = [.internal, .corrupt, .unspecified].contains(code)
            #expect((status == 500) == isOurs, "\(code)")
        }
        #expect(HTTPAnswer.status(Fault(.invalid, reason: .keyReused)) == 409)
    }

    @Test("an event is one block whatever its message says")
    func events() throws {
        var instance = ServiceInstance()
        instance.name = "a\n\ndata: b\r\nevent: fault\u{2028}"
        let bytes = try HTTPEvent("item", instance).bytes
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasPrefix("event: item\ndata: {") && text.hasSuffix("}\n\n"))
        #expect(bytes.filter { $0 == UInt8(ascii: "\n") }.count == 3)
        #expect(!bytes.contains(UInt8(ascii: "\r")))
    }

    @Test("HTTP/2 is known by its whole preface, and by nothing shorter or else")
    func versions() {
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        func guess(_ bytes: [UInt8]) -> Bool? {
            HTTPPreface.isHTTP2(ByteBuffer(bytes: bytes).readableBytesView)
        }
        for count in 0..<preface.count { #expect(guess(Array(preface.prefix(count))) == nil) }
        #expect(guess(preface) == true && guess(preface + [0, 0]) == true)
        for place in preface.indices {
            var other = preface
            other[place] ^= 0x20
            #expect(guess(other) == false)
            #expect(guess(Array(other[...place])) == false)
        }
    }

    @Test("datagrams in a stream are the same however it is cut, and empty ones are none")
    func datagrams() {
        var numbers = SeededGenerator(seed: 23)
        for _ in 0..<500 {
            let sent = (0..<Int.random(in: 0...5, using: &numbers)).map { _ in
                [UInt8](
                    repeating: UInt8.random(in: 0...255, using: &numbers),
                    count: [0, 1, 2, 300, 65_535].randomElement(using: &numbers) ?? 0)
            }
            var bytes = sent.flatMap { datagram in
                Array(DatagramFrames.framed(ByteBuffer(bytes: datagram)).readableBytesView)
            }[...]
            var frames = DatagramFrames()
            var seen: [[UInt8]] = []
            while !bytes.isEmpty {
                var part = ByteBuffer(
                    bytes: bytes.prefix(Int.random(in: 1...70_000, using: &numbers)))
                bytes = bytes.dropFirst(part.readableBytes)
                frames.append(&part)
                while let next = frames.next() { seen.append(Array(next.readableBytesView)) }
            }
            #expect(seen == sent.filter { !$0.isEmpty })
        }
    }

    @Test("a codec is the one that is named, the one of the type, or what the bytes say")
    func codecs() throws {
        #expect(try PackageCodec.named("json+zip", type: "text/plain") == .jsonZip)
        #expect(try PackageCodec.named(nil, type: nil) == .unspecified)
        #expect(try PackageCodec.named(nil, type: "application/zip") == .jsonZip)
        for (name, type) in [("tar", nil), ("", nil), (nil, "text/plain"), (nil, "")] {
            let fault = #expect(throws: Fault.self) { try PackageCodec.named(name, type: type) }
            #expect(fault?.code == .unsupported && fault?.lines.isEmpty == false)
        }
    }
}

@Suite("Who hands services over") struct UploadBookTests {
    private static func book() -> UploadBook {
        var limits = GatewayLimits()
        limits.uploads = 2
        limits.uploadBytes = 100
        limits.uploadBytesPerUser = 250
        return UploadBook(limits: limits)
    }

    @Test("no more than so many at once, and who ends makes room once")
    func atOnce() throws {
        var book = Self.book()
        let first = try book.begin(1, now: 0)
        let second = try book.begin(nil, now: 0)
        let fault = #expect(throws: Fault.self) { try book.begin(2, now: 0) }
        #expect(fault?.code == .limitReached && fault?.subject == "uploads")
        book.end(second, bytes: 0)
        book.end(second, bytes: 0)
        _ = try book.begin(2, now: 0)
        #expect(throws: Fault.self) { try book.begin(3, now: 0) }
        book.end(first, bytes: 0)
    }

    @Test("an owner's bytes are bounded by what is left of the day; the maintainer's are not")
    func bytes() throws {
        var book = Self.book()
        for left in [100, 100, 50] as [UInt64] {
            let turn = try book.begin(1, now: 0)
            #expect(turn.bytesMax == left)
            book.end(turn, bytes: left)
        }
        let fault = #expect(throws: Fault.self) { try book.begin(1, now: 0) }
        #expect(fault?.subject == "upload_bytes_per_user" && fault?.limit == 250)
        #expect(try book.begin(2, now: 0).bytesMax == 100)
        #expect(try book.begin(nil, now: 0).bytesMax == 0)
        book = Self.book()
        book.end(try book.begin(1, now: 0), bytes: .max)
        book.end(try book.begin(2, now: 0), bytes: .max)
        #expect(throws: Fault.self) { try book.begin(1, now: 86_399_999_999_999) }
        #expect(try book.begin(1, now: 86_400_000_000_000).bytesMax == 100)
    }
}

@Suite("The certificate of a door") struct HTTPCertificateTests {
    private static let now: UInt64 = 1_800_000_000

    /// A folder for one test, removed with it.
    private final class TemporaryFolder {
        let path: String

        init() throws {
            path = "/tmp/celaut-unit-" + Random.bytes(8).map { String($0, radix: 16) }.joined()
            try File.makeDirectory(path)
        }

        deinit {
            do {
                let parent = try Directory.open("/tmp")
                try Directory.removeAll(at: parent, String(path.dropFirst("/tmp/".count)))
            } catch {
                Issue.record("the test's folder was not removed: \(error)")
            }
        }
    }

    private static func file(_ directory: String, _ name: String, _ text: String) throws -> String {
        let path = "\(directory)/\(name)"
        try File.writeAll(
            try File.open(path, .writeOnly, [.create, .truncate], mode: 0o600), Array(text.utf8))
        return path
    }

    private static func given(_ certificate: String, _ key: String, now: UInt64) -> DaemonFailure? {
        do throws(DaemonFailure) {
            _ = try HTTPCertificate.given(certificate: certificate, key: key, now: now)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "what fits is shown; another's key, a day it is not valid and what is none are refused as 78"
    )
    func given() throws {
        let folder = try TemporaryFolder()
        let one = try SelfMadeCertificate(address: 0x7F00_0001, serial: Random.bytes(16)).pem
        let two = try SelfMadeCertificate(address: 0, serial: Random.bytes(16)).pem
        let first = try Self.file(folder.path, "one", one)
        let second = try Self.file(folder.path, "two", two)
        let empty = try Self.file(folder.path, "none", "")
        #expect(Self.given(first, first, now: Self.now) == nil)
        for (certificate, key, now) in [
            (first, second, Self.now), (first, first, 0), (first, first, 300_000_000_000),
            (empty, first, Self.now), (first, empty, Self.now),
            ("\(folder.path)/absent", first, Self.now),
        ] {
            #expect(Self.given(certificate, key, now: now)?.exitCode == .configuration)
        }
    }

    @Test("what was made once is shown again, for one address, and is read by nobody else")
    func own() throws {
        let folder = try TemporaryFolder()
        let address = try #require(IPv4Endpoint("192.0.2.1", port: 1))
        let other = try #require(IPv4Endpoint("192.0.2.2", port: 1))
        func shown(_ address: IPv4Endpoint) throws -> String {
            try HTTPCertificate.own(directory: folder.path, address: address, now: Self.now)
                .fingerprint
        }
        let first = try shown(address)
        #expect(first.count == 64)
        #expect(try shown(address) == first)
        #expect(try shown(other) != first)
        let file = try File.open("\(folder.path)/http-c0000201.pem", .readOnly)
        #expect(try File.status(file).permissions == 0o600)
    }
}
