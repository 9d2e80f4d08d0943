import Interfaces
import ServiceModel
import Syscalls

/// What is handed out for a box to be mounted from: its image, the objects or its checkout, and its
/// specification. The box is held, so that none of it goes meanwhile.
struct BoxRoot {
    let store: ObjectStore
    let index: BoxIndex

    /// - Parameter isNew: who asks did not have it held before.
    func open(_ record: BoxRecord, isNew: Bool) throws(Fault) -> Parcel {
        let parcel = Parcel()
        switch store.roots {
        case .layers:
            parcel.append(try BoxImage(store: store, index: index).open(record))
            parcel.append(try wrap { () throws(Errno) in try store.openObjects() })
        case .checkout:
            try makeCheckout(of: record, isNew)
            // In the place of the image, which nobody mounts.
            parcel.append(try wrap { () throws(Errno) in try Memfd.sealed([], name: "no image") })
            parcel.append(try wrap { () throws(Errno) in try store.openCheckout(record.id) })
        }
        parcel.append(
            try wrap { () throws(Errno) in try Memfd.sealed(record.service, name: "service") })
        return parcel
    }

    /// A box that came while roots were layers gets its checkout when it is first opened.
    private func makeCheckout(of record: BoxRecord, _ isNew: Bool) throws(Fault) {
        let checkout = Checkout(store: store)
        let exists = checkout.exists(record.id)
        let isMended = exists && isNew && checkout.isDistrusted(record.id)
        if exists && !isMended { return }
        let tree = try StoredForm.tree(of: record, in: store)
        if isMended {
            return try checkout.mend(tree, of: record.id) { () throws(Fault) in
                try index.find(record.id.description).holders.count > 1
            }
        }
        if let foreign = tree.firstForeign { throw Checkout.refusal(foreign) }
        try checkout.make(tree, of: record.id) { false }
    }

    private func wrap<Value: ~Copyable>(
        _ body: () throws(Errno) -> Value
    ) throws(Fault) -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw StoreFault.storing(error, "a box's root")
        }
    }
}
