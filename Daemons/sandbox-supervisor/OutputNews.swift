import Channel
import Syscalls

/// Who waits for an instance to write something, and the kernel's word that it did.
///
/// Keeps true: news that came between a reader's look and its wait is not lost: the reader takes a key
/// before it looks, and a wait with a key from before the last news returns at once.
struct OutputNews: ~Copyable {
    let inotify: Inotify
    private var watches: [Int32: InstanceID] = [:]
    private var watched: [InstanceID: Int32] = [:]
    private var lastNews: [InstanceID: UInt64] = [:]
    private var waiters: [InstanceID: [UInt64: Suspended<Void>]] = [:]
    private var nextKey: UInt64 = 0

    init() throws(Errno) {
        inotify = try Inotify()
    }

    mutating func key() -> UInt64 {
        nextKey += 1
        return nextKey
    }

    /// Asks for news of an instance, until it ends.
    mutating func follow(_ id: InstanceID, _ path: String) {
        if watched[id] != nil { return }
        guard let watch = try? inotify.watch(path, [.modified, .created, .movedTo]) else { return }
        watched[id] = watch
        watches[watch] = id
    }

    mutating func wait(
        _ id: InstanceID, _ key: UInt64, _ waiter: Suspended<Void>
    ) {
        // Without a watch there will be no news.
        if watched[id] == nil || lastNews[id] ?? 0 >= key { return waiter.resume() }
        waiters[id, default: [:]][key] = waiter
    }

    mutating func cancel(_ id: InstanceID, _ key: UInt64) {
        waiters[id]?.removeValue(forKey: key)?.resume()
    }

    /// What the kernel says.
    mutating func take() {
        for event in (try? inotify.next()) ?? [] {
            if event.mask.contains(.overflow) {
                for id in [InstanceID](watched.keys) { news(id) }
            } else if let id = watches[event.watch] {
                news(id)
            }
        }
    }

    /// The instance ended: no more news of it.
    mutating func wake(_ id: InstanceID) {
        if let watch = watched.removeValue(forKey: id) {
            watches[watch] = nil
            try? inotify.unwatch(watch)
        }
        news(id)
        lastNews[id] = nil
    }

    mutating func tellAll() {
        for id in [InstanceID](waiters.keys) { news(id) }
    }

    private mutating func news(_ id: InstanceID) {
        lastNews[id] = nextKey
        for waiter in waiters.removeValue(forKey: id)?.values ?? [:].values { waiter.resume() }
    }
}
