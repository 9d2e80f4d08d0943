// What an instance used, from what the kernel says; how fast its output is taken; how long it lives.

import Interfaces
import Syscalls
import Testing
import sandbox_launcher
import sandbox_supervisor

@Suite struct AccountingTests {
    @Test func memoryCountsFromSampleToSample() {
        var meter = MemoryMeter()
        meter.begin(atMs: 1_000)
        meter.sample(100, atMs: 3_000)
        #expect(meter.byteSeconds(3_000) == 200)
        meter.sample(500, atMs: 4_000)
        #expect(meter.byteSeconds(4_000) == 300)
        #expect(meter.total(6_000, peakBytes: 9) == 1_300)
    }

    @Test func anInstanceShorterThanASampleCountsItsPeak() {
        var meter = MemoryMeter()
        meter.begin(atMs: 1_000)
        #expect(meter.total(1_500, peakBytes: 4_096) == 2_048)
    }

    @Test func aSumThatIsTooLargeStaysTheLargestNumber() {
        var meter = MemoryMeter()
        meter.begin(atMs: 0)
        meter.sample(.max, atMs: 5_000)
        #expect(meter.byteSeconds(5_000) == .max)
    }

    @Test func memoryOverTimeOutlivesWhoCountsIt() throws {
        let path = "/tmp/celaut-meters-\(UInt64.random(in: 0 ... .max))"
        defer { try? File.remove(path) }
        let id = try #require(InstanceID([UInt8](repeating: 7, count: 16)))
        let other = try #require(InstanceID([UInt8](repeating: 9, count: 16)))
        var meter = MemoryMeter()
        meter.begin(atMs: 1_000)
        meter.sample(100, atMs: 3_000)
        meter.sample(700, atMs: 3_001)
        MeterBook(path: path).write([(id, meter), (other, MemoryMeter())])
        var again = try #require(MeterBook(path: path).read()[id])
        #expect(again == meter)
        #expect(MeterBook(path: path).read()[other] == nil)
        // Nobody counted for ten seconds: what was charged last counts for all of it.
        again.begin(atMs: 13_001)
        again.sample(0, atMs: 13_001)
        #expect(again.total(20_000, peakBytes: 1) == 7_200)
    }

    @Test func aMeterThatWasCutOrIsNotOneIsNotRead() throws {
        let path = "/tmp/celaut-meters-\(UInt64.random(in: 0 ... .max))"
        defer { try? File.remove(path) }
        #expect(MeterBook(path: path).read().isEmpty)
        let id = try #require(InstanceID([UInt8](repeating: 7, count: 16)))
        var meter = MemoryMeter()
        meter.begin(atMs: 0)
        meter.sample(1, atMs: 1)
        MeterBook(path: path).write([(id, meter), (id, meter)])
        let file = try File.open(path, .readWrite)
        try File.setSize(file, bytes: 100)
        #expect(MeterBook(path: path).read() == [id: meter])
        try File.setSize(file, bytes: 63)
        #expect(MeterBook(path: path).read().isEmpty)
    }

    @Test func whatIsWrittenIsCountedOnceAtTheLoopDevice() {
        let first = IOCounts(
            version1:
                "7:1 Read 512\n7:1 Write 4096\n254:0 Read 1024\n254:0 Write 4096\nTotal 9728\n")
        #expect((first.read, first.written) == (1_536, 4_096))
        let second = IOCounts(
            version2: "7:1 rbytes=512 wbytes=4096 rios=1\n254:0 rbytes=1024 wbytes=4096 x\n")
        #expect((second.read, second.written) == (1_536, 4_096))
    }

    @Test func outputPastASecondsWorthWaits() {
        var pace = OutputPace(bytesPerSecond: 1_000)
        #expect(pace.bytes(atMost: 32_768) == 1_000)
        pace.take(1_000, 5_000_000_000)
        #expect(pace.pauseMilliseconds(5_000_000_000) == 0)
        pace.take(1_000, 5_000_000_000)
        #expect(pace.pauseMilliseconds(5_000_000_000) == 1_000)
        #expect(pace.pauseMilliseconds(6_000_000_000) == 0)
    }

    @Test func outputWithoutARateNeverWaits() {
        var pace = OutputPace(bytesPerSecond: 0)
        pace.take(1 << 30, 1)
        #expect(pace.pauseMilliseconds(1) == 0)
        #expect(pace.bytes(atMost: 32_768) == 32_768)
    }
}
