/// Where the registry is written down. The real one is SQLite; a simulation has its own.
package protocol RegistryStorage: Sendable {
    func load() throws(StorageFailure) -> [InstanceRecord]
    /// All of it or nothing; durable when it returns.
    func apply(_ writes: [RegistryWrite]) throws(StorageFailure)
}

package enum StorageFailure: Error, Equatable, Sendable {
    /// The disk has no room.
    case full
    /// What is stored is not what was written, or cannot be reached.
    case broken(String)
}
