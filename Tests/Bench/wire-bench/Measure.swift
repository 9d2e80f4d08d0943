// The caller's half of each benchmark: what is timed, and nothing else.

import Channel
import Interfaces
import Syscalls

extension LoopActor {
    /// Measures one benchmark and prints nanoseconds per operation.
    func measure(_ bench: String, path: String, count: Int) async {
        do throws(Fault) {
            let connection = try await Connection.connect(
                path: path, loop: loop, interfaces: [BoxBuilderInterface.descriptor],
                program: "wire-bench", version: "1")
            let client = BoxBuilderClient(connection)
            let nanoseconds: UInt64
            switch bench {
            case "wire-rtt":
                _ = try await removals(client, count / 10)
                nanoseconds = try await removals(client, count)
            case "wire-fd":
                _ = try await inspections(client, count / 10)
                nanoseconds = try await inspections(client, count)
            default: nanoseconds = try await listing(client, count)
            }
            tell("\(Double(nanoseconds) / Double(count))")
        } catch {
            tell("failed: \(error)")
        }
    }

    private func tell(_ text: String) {
        _ = Terminal.write(text + "\n", to: .output)
    }

    private func removals(_ client: BoxBuilderClient, _ count: Int) async throws(Fault) -> UInt64 {
        var request = RemoveBoxRequest()
        request.box = String(repeating: "b", count: 126)
        let start = Clock.monotonicNanoseconds()
        for _ in 0..<count {
            let reply = try await client.removeBox(request)
            precondition(reply.serviceID.count == 126)
        }
        return Clock.monotonicNanoseconds() - start
    }

    private func inspections(
        _ client: BoxBuilderClient, _ count: Int
    ) async throws(Fault) -> UInt64 {
        var request = InspectBoxRequest()
        request.box = String(repeating: "b", count: 126)
        let start = Clock.monotonicNanoseconds()
        for _ in 0..<count {
            let (reply, parcel) = try await client.inspectBox(request)
            precondition(reply.holders.count == 1 && parcel.take(0) != nil)
        }
        return Clock.monotonicNanoseconds() - start
    }

    private func listing(_ client: BoxBuilderClient, _ count: Int) async throws(Fault) -> UInt64 {
        let stream = try await client.listBoxes(ListBoxesRequest())
        let start = Clock.monotonicNanoseconds()
        for _ in 0..<count {
            let item = try await stream.next()
            precondition(item?.serviceID.count == 65_532)
        }
        let nanoseconds = Clock.monotonicNanoseconds() - start
        stream.cancel()
        return nanoseconds
    }
}
