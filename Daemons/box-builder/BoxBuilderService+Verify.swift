import Channel
package import Interfaces
import Syscalls

/// Comparing the store with what it must be.
extension BoxBuilderService {
    package func verifyStore(
        _ request: VerifyStoreRequest, context: CallContext, items: ItemSink<VerifyStoreItem>
    ) async throws(Fault) {
        // LIMIT: one at a time: it reads the whole disk, and a second would only slow both.
        guard !isVerifying else {
            throw .limitReached(subject: "verifications", limit: 1, actual: 2)
        }
        isVerifying = true
        defer { isVerifying = false }
        let (store, index) = (store, index)
        var verifier = try await loop.runBlocking { () throws(Fault) in
            try StoreVerifier(store, index, box: request.box)
        }
        var told: UInt64 = 0
        while !verifier.isOver {
            guard !isStopping else { throw StoreFault.stopping() }
            let current = verifier
            let (next, findings) = try await loop.runBlocking {
                () throws(Fault) -> (StoreVerifier, [StoreFinding]) in
                var next = current
                let findings = try next.step()
                return (next, findings)
            }
            verifier = next
            for finding in findings {
                var item = VerifyStoreItem()
                item.finding = finding
                try await items.send(item)
            }
            // A caller who went is noticed here, also where all is well.
            let now = Clock.monotonicNanoseconds()
            if now - told >= ProgressMailbox.intervalNanoseconds {
                told = now
                var item = VerifyStoreItem()
                item.progress = verifier.progress
                try await items.send(item)
            }
        }
        var item = VerifyStoreItem()
        item.summary = verifier.summary
        try await items.send(item)
    }
}
