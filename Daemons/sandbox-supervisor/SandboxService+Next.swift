import Channel

/// What the next start will need is made when the entrypoint of the one before runs, and goes when nobody
/// comes for it, so that an idle node has none of it.
extension SandboxService {
    // LIMIT: time without a start after which it goes: as long as the launcher keeps its own.
    private static let nextPatience = Duration.seconds(3)

    func makeNext() {
        if isStopping || isMakingNext { return }
        isMakingNext = true
        if let nextTimer { loop.cancel(nextTimer) }
        nextTimer = nil
        let next = workplace.next
        Task {
            await loop.runBlocking { next.fill() }
            isMakingNext = false
            nextTimer = loop.schedule(after: Self.nextPatience) { [weak self] in
                self?.assumeIsolated { $0.dropNext() }
            }
        }
    }

    private func dropNext() {
        nextTimer = nil
        let next = workplace.next
        Task { await loop.runBlocking { next.drop() } }
    }
}
