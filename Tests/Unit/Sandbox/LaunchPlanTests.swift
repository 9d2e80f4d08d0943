// The codec between supervisor and launcher: what it reads is what was written, and nothing else.

import LaunchPlan
import Testing

private func plan() -> LaunchPlan {
    var plan = LaunchPlan(
        instanceID: Array(0..<16), entrypoint: ["bin", "redis"],
        environment: [Array("A=1".utf8), Array("B=".utf8)], configurationPath: ["__config__"],
        uidBase: 1 << 28, openFilesMax: 1_024, outputBytesMax: 1 << 20,
        outputBytesPerSecond: 9_000,
        sharedMemoryBytesMax: 1 << 20, groupKind: .version1, groups: 5)
    plan.offered = [["srv", "out"]]
    plan.inherited = [
        LaunchPlan.Inherited(path: ["srv", "in"], device: 7, index: 1, isReadOnly: true)
    ]
    plan.hasTerminals = true
    plan.listeners = [
        LaunchPlan.Listener(address: 0x0A40_0001, port: 2_352, isDatagram: false),
        LaunchPlan.Listener(address: 0x7F00_0001, port: 53, isDatagram: true),
    ]
    return plan
}

@Suite struct LaunchPlanTests {
    @Test func aPlanIsReadAsItWasWritten() throws {
        let plan = plan()
        #expect(try LaunchPlan(reading: plan.encoded()) == plan)
        // The parent's, and last the disk's.
        #expect(plan.parentPlace == 11)
        #expect(plan.diskPlace == 12)
        #expect(plan.descriptors == 13)
        #expect(plan.witnessUID == (1 << 28) + 65_535)
    }

    @Test func aReadOnlyRootHasADiskOnlyForWhatItOffers() throws {
        var plan = plan()
        plan.isReadOnly = true
        #expect(try LaunchPlan(reading: plan.encoded()) == plan)
        #expect(plan.diskPlace == 12)
        plan.offered = []
        #expect(try LaunchPlan(reading: plan.encoded()) == plan)
        #expect(plan.diskPlace == nil)
        #expect(plan.descriptors == 12)
        plan.inherited = []
        #expect(plan.descriptors == 11)
        plan.isReadOnly = false
        #expect(plan.diskPlace == 11)
        #expect(plan.descriptors == 12)
    }

    @Test func aPlanCutAnywhereIsRefused() throws {
        let whole = try plan().encoded()
        for count in 0..<whole.count {
            #expect(throws: LaunchViolation.self) {
                try LaunchPlan(reading: Array(whole.prefix(count)))
            }
        }
        #expect(throws: LaunchViolation.self) { try LaunchPlan(reading: whole + [0]) }
    }

    @Test func aFlippedBitIsRefusedOrGivesAnotherGoodPlan() throws {
        let whole = try plan().encoded()
        var other = 0
        for place in whole.indices {
            for bit in 0..<8 {
                var bytes = whole
                bytes[place] ^= 1 << UInt8(bit)
                guard let read = try? LaunchPlan(reading: bytes) else { continue }
                #expect(read.invalid() == nil)
                #expect(read != plan())
                #expect(try read.encoded() == bytes)
                other += 1
            }
        }
        #expect(other > 0)
    }

    @Test func aPlanOfAnotherVersionIsRefusedAsThat() throws {
        var bytes = try plan().encoded()
        bytes[4] += 1
        #expect(throws: LaunchViolation("version")) { try LaunchPlan(reading: bytes) }
        bytes[0] += 1
        #expect(throws: LaunchViolation("magic")) { try LaunchPlan(reading: bytes) }
    }

    @Test func aPlanOfAnUnknownKindIsRefusedAsThat() throws {
        var plan = plan()
        plan.inherited = []
        plan.offered = []
        plan.listeners = []
        let whole = try plan.encoded()
        // What can be written and terminals, before an empty list; before two more: the kind of the
        // cgroups, and the root's.
        for place in [5, 6, 16, 17].map({ whole.count - $0 }) {
            var bytes = whole
            bytes[place] = 77
            #expect(throws: LaunchViolation("kind")) { try LaunchPlan(reading: bytes) }
        }
    }

    private static let badPaths: [[String]] = [
        ["..", "x"], ["."], [""], ["a/b"], [], ["a\0b"], [String(repeating: "x", count: 256)],
        Array(repeating: String(repeating: "y", count: 255), count: 17),
        Array(repeating: "z", count: 129),
    ]

    @Test(arguments: badPaths.indices)
    func whatIsNotAPathBelowTheRootIsRefused(_ place: Int) {
        let path = Self.badPaths[place]
        var plan = plan()
        plan.entrypoint = path
        #expect(throws: LaunchViolation("entrypoint")) { try plan.encoded() }
        plan = Self.good
        plan.configurationPath = path
        #expect(throws: LaunchViolation("configuration-path")) { try plan.encoded() }
    }

    private static var good: LaunchPlan { plan() }

    @Test(arguments: badPaths.indices)
    func whatIsSharedHasAPathBelowTheRoot(_ place: Int) {
        var plan = plan()
        plan.offered.append(Self.badPaths[place])
        #expect(throws: LaunchViolation("offered")) { try plan.encoded() }
        plan = Self.good
        plan.inherited[0].path = Self.badPaths[place]
        #expect(throws: LaunchViolation("inherited")) { try plan.encoded() }
    }

    @Test func moreSharesThanTheBoundAndPlacesThatCannotBeAreRefused() {
        var plan = plan()
        plan.offered = Array(repeating: ["a"], count: LaunchLimits.sharesMax + 1)
        #expect(throws: LaunchViolation("offered")) { try plan.encoded() }
        plan = Self.good
        plan.inherited[0].index = UInt8(LaunchLimits.sharesMax)
        #expect(throws: LaunchViolation("inherited")) { try plan.encoded() }
        plan = Self.good
        plan.inherited[0].device = 1 << 20
        #expect(throws: LaunchViolation("inherited")) { try plan.encoded() }
    }

    @Test(arguments: ["", "=x", "novalue", "A\0=b"])
    func whatIsNotAVariableIsRefused(_ text: String) {
        var plan = plan()
        plan.environment.append(Array(text.utf8))
        #expect(throws: LaunchViolation("environment")) { try plan.encoded() }
    }

    @Test func idsOfPeopleAndPastTheLastAreRefused() {
        for base: UInt32 in [0, 1_000, 65_535, .max - 65_536, .max] {
            var plan = plan()
            plan.uidBase = base
            #expect(throws: LaunchViolation("uid-base")) { try plan.encoded() }
        }
    }

    @Test(arguments: [
        LaunchOutcome.launched(pid: 4_000_000), .started,
        .failed(LaunchFailure(step: "mount root", code: 22)),
        .ended(
            WitnessedEnd(
                status: .exited(7), outOfMemory: false, killed: true, timeNanoseconds: .max)),
        .ended(
            WitnessedEnd(
                status: .signalled(9), outOfMemory: true, killed: false, timeNanoseconds: 1)),
    ])
    func anOutcomeIsReadAsItWasWrittenAndNeverCut(_ outcome: LaunchOutcome) throws {
        let whole = outcome.encoded()
        #expect(try LaunchOutcome(reading: whole) == outcome)
        for count in 0..<whole.count {
            #expect(throws: LaunchViolation.self) {
                try LaunchOutcome(reading: Array(whole.prefix(count)))
            }
        }
    }

    @Test func aStepOfAnyTextFitsItsBound() {
        let wild = String(repeating: "👩‍👩‍👧‍👦", count: 4_000)
        let outcome = LaunchOutcome.failed(LaunchFailure(step: wild, code: 2))
        #expect(outcome.encoded().count <= LaunchOutcome.bytesMax)
    }

    @Test func theNameInAStatusMayHoldAnything() {
        let text = "77 (a) b (c) ) S 1 77 77 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0"
        let read = ProcessStatus.identity(Array(text.utf8))
        #expect(read?.pid == 77)
        #expect(read?.startTime == 987_654)
        #expect(ProcessStatus.identity(Array("77 (x) S 1".utf8)) == nil)
    }

    @Test func anOutputRecordIsReadAsItWasWritten() {
        let head = OutputRecordHead(stream: .stderr, dataBytes: 32_768, timeNanoseconds: 5)
        var bytes = [UInt8](repeating: 0, count: OutputRecordHead.bytes)
        var span = bytes.mutableSpan
        head.encode(into: &span)
        #expect(OutputRecordHead(reading: bytes.span, at: 0) == head)
        bytes[12] = 3
        #expect(OutputRecordHead(reading: bytes.span, at: 0) == nil)
        let file = OutputFileHead(sequence: 3, droppedBytes: 9)
        #expect(OutputFileHead(reading: file.encoded().span) == file)
    }
}
