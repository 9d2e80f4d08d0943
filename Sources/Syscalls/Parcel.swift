// Descriptors that travel with a message. Each can be taken once; what nobody took is closed with
// the parcel, so that a peer cannot make a receiver hold what it did not ask for.

import Synchronization

package final class Parcel: Sendable {
    /// Owned numbers in the order of the message; -1 where one was taken.
    private let held: Mutex<[Int32]>

    package init() {
        held = Mutex([])
    }

    package init(_ first: consuming Descriptor) {
        held = Mutex([first.release()])
    }

    /// Takes ownership of numbers that arrived with a packet.
    init(adopting raw: [Int32]) {
        held = Mutex(raw)
    }

    deinit {
        close()
    }

    /// How many the message carries, those already taken included.
    package var count: Int { held.withLock { $0.count } }

    package func append(_ descriptor: consuming Descriptor) {
        let raw = descriptor.release()
        held.withLock { $0.append(raw) }
    }

    /// The descriptor at a position, once; nil when it was taken or never was.
    package func take(_ index: Int) -> Descriptor? {
        let raw: Int32 = held.withLock { held in
            guard held.indices.contains(index) else { return -1 }
            let raw = held[index]
            held[index] = -1
            return raw
        }
        return raw < 0 ? nil : Descriptor(adopting: raw)
    }

    /// Looks at a descriptor that stays in the parcel; nil when it is not there.
    package func inspect<Value, Failure: Error>(
        _ index: Int, _ body: (borrowing Descriptor) throws(Failure) -> Value
    ) throws(Failure) -> Value? {
        // Taken out for the look, so that no other thread can close it meanwhile.
        guard let descriptor = take(index) else { return nil }
        let result: Result<Value, Failure>
        do throws(Failure) {
            result = .success(try body(descriptor))
        } catch {
            result = .failure(error)
        }
        let raw = descriptor.release()
        held.withLock { $0[index] = raw }
        return try result.get()
    }

    /// Closes what was not taken, now.
    package func close() {
        let left = held.withLock { held in
            let left = held
            for index in held.indices { held[index] = -1 }
            return left
        }
        for raw in left where raw >= 0 { _ = Descriptor(adopting: raw) }
    }

    /// The numbers for a sendmsg that is made while the lock is held.
    func withNumbers<Value>(
        _ body: ([Int32]) throws(Errno) -> Value
    ) throws(Errno) -> Value {
        let result: Result<Value, Errno> = held.withLock { held in
            do throws(Errno) {
                precondition(!held.contains(-1), "a descriptor was sent after it was taken")
                return .success(try body(held))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
