package import Interfaces
package import Syscalls

/// What passed descriptors must be, looked at before anybody reads them.
extension DescriptorKind {
    /// Whether an open descriptor is of this kind. One that cannot be looked at is not.
    package func admits(_ descriptor: borrowing Descriptor) -> Bool {
        guard let status = try? File.status(descriptor) else { return false }
        // Most of what is passed: a call less for each.
        if self == .socket { return status.kind == .socket }
        guard let access = try? descriptor.access() else { return false }
        switch self {
        case .sealed:
            guard status.kind == .regular, access == .readOnly || access == .readWrite else {
                return false
            }
            return access == .readOnly || Memfd.isSealed(descriptor)
        case .readable:
            guard access == .readOnly || access == .readWrite else { return false }
            return status.kind == .fifo || status.kind == .regular || status.kind == .socket
        case .writable:
            guard access == .writeOnly || access == .readWrite else { return false }
            return status.kind == .fifo || status.kind == .regular || status.kind == .socket
                || status.kind == .characterDevice
        case .directory: return status.kind == .directory
        case .socket: return status.kind == .socket
        case .file: return status.kind == .regular
        }
    }

    /// The position of the first descriptor that is not what its place declares; nil when all are.
    /// Where there are more descriptors than kinds, the last kind holds for the rest.
    package static func firstWrong(in parcel: Parcel, declared kinds: [DescriptorKind]) -> Int? {
        for index in 0..<parcel.count {
            guard let kind = index < kinds.count ? kinds[index] : kinds.last else { return index }
            if parcel.inspect(index, { kind.admits($0) }) != true { return index }
        }
        return nil
    }
}
