// What is heard of an instance between a look and the wait for the next change.

import Channel
import Testing
import sandbox_supervisor

@Suite("State news", .timeLimit(.minutes(10)))
struct StateNewsTests {
    private func id(_ number: UInt8) throws -> InstanceID {
        try #require(InstanceID([UInt8](repeating: number, count: 16)))
    }

    @Test("News between the look and the wait ends the wait at once")
    func between() async throws {
        let one = try id(1)
        var news = StateNews()
        let key = news.key()
        news.tell(one)
        await suspend(starting: { news.wait(one, key, $0) })
    }

    @Test("News from before the look does not")
    func before() async throws {
        let one = try id(1)
        var news = StateNews()
        news.tell(one)
        let key = news.key()
        await suspend(starting: { asleep in
            news.wait(one, key, asleep)
            // Resumed twice, by the wait and by this, it would trap.
            news.tell(one)
        })
    }

    @Test("Others are not woken, and everybody is at the end")
    func others() async throws {
        let (one, other) = (try id(1), try id(2))
        var news = StateNews()
        let key = news.key()
        await suspend(starting: { asleep in
            news.wait(one, key, asleep)
            // Resumed twice it would trap.
            news.tell(other)
            news.tellAll()
            news.tell(one)
            news.cancel(one, key)
        })
    }
}
