package import Channel

/// Who waits for a change of an instance's announced state.
///
/// Keeps true: news that came between a look and the wait is not lost: who waits takes a key before it
/// looks, and a wait with a key from before the last news, of whatever instance, returns at once.
package struct StateNews {
    package typealias Key = UInt64

    private var waiters: [InstanceID: [Key: Suspended<Void>]] = [:]
    private var nextKey: Key = 0
    private var lastNews: Key = 0

    package init() {}

    package mutating func key() -> Key {
        nextKey += 1
        return nextKey
    }

    package mutating func wait(
        _ id: InstanceID, _ key: Key, _ waiter: Suspended<Void>
    ) {
        if lastNews >= key { return waiter.resume() }
        waiters[id, default: [:]][key] = waiter
    }

    package mutating func cancel(_ id: InstanceID, _ key: Key) {
        waiters[id]?.removeValue(forKey: key)?.resume()
    }

    package mutating func tellAll() {
        for id in [InstanceID](waiters.keys) { tell(id) }
    }

    package mutating func tell(_ id: InstanceID) {
        lastNews = nextKey
        for waiter in waiters.removeValue(forKey: id)?.values ?? [:].values { waiter.resume() }
    }
}
