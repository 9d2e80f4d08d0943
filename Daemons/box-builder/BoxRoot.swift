import Interfaces
import ServiceModel
import Syscalls

/// What is handed out for a box to be mounted from: its image, the objects or its checkout, and its
/// specification. The box is held, so that none of it goes meanwhile.
struct BoxRoot {
    let store: ObjectStore
    let index: BoxIndex

    func open(_ record: BoxRecord) throws(Fault) -> Parcel {
        let parcel = Parcel()
        switch store.roots {
        case .layers:
            parcel.append(try BoxImage(store: store, index: index).open(record))
            parcel.append(try wrap { () throws(Errno) in try store.openObjects() })
        case .checkout:
            try makeCheckout(of: record)
            // In the place of the image, which nobody mounts.
            parcel.append(try wrap { () throws(Errno) in try Memfd.sealed([], name: "no image") })
            parcel.append(try wrap { () throws(Errno) in try store.openCheckout(record.id) })
        }
        parcel.append(
            try wrap { () throws(Errno) in try Memfd.sealed(record.service, name: "service") })
        return parcel
    }

    /// A box that came while roots were layers gets its checkout when it is first opened.
    private func makeCheckout(of record: BoxRecord) throws(Fault) {
        let checkout = Checkout(store: store)
        if checkout.exists(record.id) { return }
        let tree = try StoredForm.tree(of: record, in: store)
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
