// How long a peer is waited for: by the time it is waited for and by what comes of it, and by nothing
// else.

import Interfaces
import ServiceModel
import Synchronization
import Syscalls
import Testing
import box_builder

@Suite("A peer that is waited for")
struct PeerWaitTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("is given up when it did nothing for as long as it may")
    func silent() {
        var patience = PeerPatience(nanoseconds: 30 * Self.second)
        var waits = 0
        while patience.waited(nanoseconds: Self.second / 10) { waits += 1 }
        #expect(waits == 299)
    }

    @Test(
        "is given up when it does next to nothing, however often",
        arguments: [(1, 99), (1, 1_000), (90, 100), (900, 1_000), (19_000, 20_000)])
    func trickles(bytes: Int, milliseconds: UInt64) {
        var patience = PeerPatience(nanoseconds: 1_800 * Self.second)
        var times = 0
        while patience.waited(nanoseconds: milliseconds * 1_000_000) {
            patience.moved(bytes: bytes)
            times += 1
        }
        // Of each of its milliseconds a twentieth and more is missing.
        #expect(UInt64(times) * milliseconds <= 20 * 1_800_000)
    }

    @Test("is not given up while it keeps to the rate, in whatever pieces")
    func slow() {
        for seconds: UInt64 in [1, 60, 1_799] {
            var patience = PeerPatience(nanoseconds: 1_800 * Self.second)
            let isWaitedFor = (0..<(200_000 / seconds)).allSatisfy { _ in
                defer { patience.moved(bytes: Int(seconds * PeerPatience.bytesPerSecondMin)) }
                return patience.waited(nanoseconds: seconds * Self.second)
            }
            #expect(isWaitedFor)
        }
    }

    @Test("has no more time after all that it sent than before", arguments: [1 << 30, Int.max])
    func saved(bytes: Int) {
        var patience = PeerPatience(nanoseconds: 1_800 * Self.second)
        patience.moved(bytes: bytes)
        var seconds = 0
        while patience.waited(nanoseconds: Self.second) { seconds += 1 }
        #expect(seconds == 1_799)
    }

    /// Each look at the clock takes 50 ms: each wait, two looks, as long.
    private static func patient(milliseconds: UInt64) -> PeerWait {
        let time = Time()
        return PeerWait(idleMilliseconds: milliseconds) { time.look() }
    }

    private final class Time: Sendable {
        private let now = Atomic<UInt64>(0)

        func look() -> UInt64 {
            now.wrappingAdd(50_000_000, ordering: .relaxed).newValue
        }
    }

    @Test(
        "is given up after the waits that its silence would have had, if it says a byte after each")
    func bytes() throws {
        let pipe = try Pipe()
        let wait = Self.patient(milliseconds: 1_000)
        var count = 0
        let fault = #expect(throws: Fault.self) {
            while count < 100 {
                try File.writeAll(pipe.writing, [1])
                try wait.reading(pipe.reading, "archive") { false }
                wait.moved(try File.read(pipe.reading, max: 10).count)
                count += 1
            }
        }
        #expect(fault?.code == .deadlineExceeded && fault?.subject == "archive")
        #expect(fault?.limit == 1)
        // 20 waits of 50 ms; a byte is worth a millisecond.
        #expect(count == 20)
    }

    // Shorter than three waits, and all of these have more.
    private static let shortMilliseconds: UInt64 = 120
    private static let content = String(repeating: "content", count: 200_000)

    @Test("has its archive read to the end when that takes longer, and it sends enough meanwhile")
    func archive() throws {
        let fixture = try StoreFixture()
        let archive = try Memfd.sealed(Tar.box(Self.content).bytes)
        let description = try Memfd.sealed(Array(StoreFixture.description().utf8))
        let wait = Self.patient(milliseconds: Self.shortMilliseconds)
        _ = try Importer(store: fixture.store, index: fixture.index, wait: wait).run(
            archive: archive, description: description, ImportBoxRequest(), now: 0,
            progress: { _ in }, isCancelled: { false })
        #expect(try fixture.index.count() == 1)
    }

    @Test("has its package read to the end when that takes longer, and it sends enough meanwhile")
    func package() throws {
        let fixture = try StoreFixture()
        let box = try fixture.add(.box(Self.content))
        var request = ExportBoxRequest()
        request.box = box.hex
        request.codec = .proto3
        var package: [UInt8] = []
        _ = try BoxExporter(store: fixture.store, index: fixture.index).run(
            request, known: [], to: { package += $0 }, progress: { _ in })
        _ = try fixture.remove(box.hex)
        let wait = Self.patient(milliseconds: Self.shortMilliseconds)
        _ = try PackageImporter(store: fixture.store, index: fixture.index, wait: wait).run(
            try Memfd.sealed(package), ImportPackageRequest(), now: 0, progress: { _ in },
            isCancelled: { false })
        #expect(try fixture.index.count() == 1)
    }

    @Test(
        "that reads an export gets all of it when that takes longer, and it takes enough meanwhile")
    func export() throws {
        let pipe = try Pipe()
        let bytes = [UInt8](repeating: 7, count: 4 << 20)
        // The pieces are waited for 51 made-up seconds. A reader that gets no processor may take 80 true
        // ones, of steps of 100 ms each.
        let wait = Self.patient(milliseconds: 40_000)
        let output = ExchangeOutput(try pipe.writing.duplicate(), wait: wait)
        let reading = SharedDescriptor(pipe.keepReading())
        let thread = try Thread(name: "reader") {
            var left = bytes.count
            while left > 0, let run = try? File.read(reading.descriptor, max: 65_536) {
                left -= run.count
            }
        }
        try output.write(bytes) { false }
        thread.join()
    }
}
