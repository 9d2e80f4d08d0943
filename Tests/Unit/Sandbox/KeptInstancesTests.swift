// What the service manager is told to keep of instances, and to let go of.

import Syscalls
import Testing
import sandbox_supervisor

@Suite("Kept instances")
struct KeptInstancesTests {
    private func id(_ number: UInt8) throws -> InstanceID {
        try #require(InstanceID([UInt8](repeating: number, count: 16)))
    }

    @Test("Each instance is told of once, and let go of once")
    func once() throws {
        var kept = KeptInstances(instancesMax: 4)
        let (first, second) = (try id(1), try id(2))
        kept.keep(second)
        kept.keep(first)
        kept.keep(first)
        #expect(kept.next() == .init(forget: [], keep: [first, second]))
        #expect(kept.next() == nil)
        kept.keep(first)
        #expect(kept.next() == nil)
        kept.forget(first)
        #expect(kept.next() == .init(forget: [first], keep: []))
        kept.forget(first)
        #expect(kept.next() == nil)
    }

    @Test("One that ended before it was told of is never told of")
    func ended() throws {
        var kept = KeptInstances(instancesMax: 4)
        kept.keep(try id(1))
        kept.forget(try id(1))
        #expect(kept.next() == nil)
    }

    @Test("No more are kept than there is room for, and who goes makes room")
    func room() throws {
        var kept = KeptInstances(instancesMax: 1)
        kept.keep(try id(1))
        kept.keep(try id(2))
        #expect(kept.next() == .init(forget: [], keep: [try id(1)]))
        kept.forget(try id(1))
        kept.keep(try id(3))
        #expect(kept.next() == .init(forget: [try id(1)], keep: [try id(3)]))
        var none = KeptInstances(instancesMax: 0)
        none.keep(try id(1))
        #expect(none.next() == nil)
    }

    @Test("What was there stays, what was there in part is let go of and kept anew")
    func found() throws {
        var kept = KeptInstances(instancesMax: 4)
        kept.found([try id(1), try id(2)], partial: [try id(3)])
        kept.keep(try id(1))
        kept.keep(try id(3))
        kept.forget(try id(2))
        #expect(kept.next() == .init(forget: [try id(2), try id(3)], keep: [try id(3)]))
        #expect(kept.next() == nil)
    }

    @Test("What came back is told apart by what it is, and names of others are nobody's")
    func sorted() throws {
        let (mine, ended) = (try id(1), try id(2))
        let network = SharedDescriptor(try File.open("/proc/self/ns/net"))
        let pidfd = SharedDescriptor(try Pidfd.open(pid: Process.pid))
        var plan = SpawnPlan(path: "/bin/true", arguments: ["true"])
        plan.environment = []
        let child = try Process.spawn(plan)
        let gone = SharedDescriptor(try Pidfd.open(pid: child))
        _ = try Pidfd.wait(gone.descriptor)
        let all = KeptInstance.sort([
            ("\(mine)", network), ("\(mine)", pidfd), ("\(ended)", gone), ("somebody", network),
        ])
        #expect(all.count == 2)
        #expect(all[mine]?.isWhole == true)
        #expect(all[mine]?.pid == Process.pid)
        #expect(all[ended]?.isWhole == false)
        #expect(all[ended]?.pidfd != nil)
        #expect(all[ended]?.pid == nil)
    }
}
