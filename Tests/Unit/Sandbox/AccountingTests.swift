// What an instance used, from what the kernel says; how fast its output is taken; how long it lives.

import Interfaces
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
