package import Interfaces

/// The keys of the last changes of bounds. In memory: a change repeated after a restart is made again,
/// which gives the same bounds.
package struct ChangeKeys: Sendable {
    // LIMIT: 1,024 keys; past it the oldest is forgotten.
    package static let max = 1_024

    private var contents: [[UInt8]: [UInt8]] = [:]
    private var order: [[UInt8]] = []

    package init() {}

    /// - Throws: where the key stood for something else.
    package mutating func check(key: [UInt8], content: [UInt8]) throws(Fault) {
        if let known = contents[key] {
            guard known == content else { throw GatewayFault.keyReused() }
            return
        }
        if order.count == Self.max { contents[order.removeFirst()] = nil }
        contents[key] = content
        order.append(key)
    }
}
