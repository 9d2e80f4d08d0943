// A directory for one test, with a unique name, removed when the test lets go of it.

import Syscalls
import Testing

final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let name = Random.bytes(8).map { String($0, radix: 16) }.joined()
        path = "/tmp/celaut-unit-\(name)"
        try File.makeDirectory(path)
    }

    deinit {
        do {
            let parent = try Directory.open("/tmp")
            try Directory.removeAll(at: parent, String(path.dropFirst("/tmp/".count)))
        } catch {
            Issue.record("the test's directory was not removed: \(error)")
        }
    }

    func write(_ name: String, _ text: String) throws -> String {
        let file = try File.open(path + "/" + name, .writeOnly, [.create, .truncate])
        try File.writeAll(file, Array(text.utf8))
        return path + "/" + name
    }
}

/// What a call fails with; nil when it does not.
func failure<Failure: Error>(_ body: () throws(Failure) -> Void) -> Failure? {
    do throws(Failure) {
        try body()
        return nil
    } catch {
        return error
    }
}
