import CShim

/// Host names, as this machine's resolver knows them.
package enum HostLookup {
    // LIMIT: 16 addresses of a name are looked at; one is used.
    private static let addressesMax = 16

    /// The IPv4 addresses of a name, in the resolver's order; none where it has none. Waits for the
    /// resolver: not for the thread of an event loop.
    package static func addresses(of name: String) -> [UInt32] {
        var addresses = [UInt32](repeating: 0, count: addressesMax)
        // SAFETY: at most as many as there is room for are written, during the call.
        let count = unsafe addresses.withUnsafeMutableBufferPointer { buffer in
            unsafe celaut_lookup_ipv4(name, buffer.baseAddress, buffer.count)
        }
        return Array(addresses.prefix(Int(count)))
    }
}
