// What a service manager hands a daemon at its start: the listening sockets it declared, each once,
// and (for a daemon that says so) descriptors it stored there before. Anything else is refused by
// its name: a surprise means that somebody's idea of this daemon is wrong.

import CSystemd
package import Syscalls

/// Which of the given names is what. Pure: positions in, positions out.
package struct GivenSockets: Equatable, Sendable {
    /// The position of each declared listener, in the order of the declaration.
    package var listeners: [Int]
    /// Positions of stored descriptors.
    package var stored: [Int]

    /// - Parameters:
    ///   - names: as given, in order (LISTEN_FDNAMES).
    ///   - declared: the names of the listening sockets.
    ///   - keepsDescriptors: whether other names may be there, from the descriptor store.
    package init(
        names: [String], declared: [String], keepsDescriptors: Bool
    ) throws(DaemonFailure) {
        listeners = []
        stored = []
        for name in declared {
            let positions = names.indices.filter { names[$0] == name }
            guard let first = positions.first else {
                let given = names.isEmpty ? "none was" : "given: " + Self.list(names)
                throw DaemonFailure(
                    .sockets,
                    "the listening socket \"\(name)\" was not given (\(given)); it comes as "
                        + "LISTEN_FDS from systemd or `celautctl up`")
            }
            guard positions.count == 1 else {
                throw DaemonFailure(
                    .sockets, "the listening socket \"\(name)\" was given \(positions.count) times")
            }
            listeners.append(first)
        }
        for (position, name) in names.enumerated() where !declared.contains(name) {
            guard keepsDescriptors else {
                throw DaemonFailure(
                    .sockets,
                    "the descriptor \"\(name)\" was given and is not one of: \(Self.list(declared))"
                )
            }
            stored.append(position)
        }
    }

    private static func list(_ names: [String]) -> String {
        names.map { "\"\($0)\"" }.joined(separator: ", ")
    }
}

/// A descriptor that was in the service manager's store.
package struct StoredDescriptor: Sendable {
    package let name: String
    package let descriptor: SharedDescriptor
}

enum InheritedDescriptors {
    struct Taken {
        /// In the order of the declaration.
        var listeners: [SharedDescriptor]
        var stored: [StoredDescriptor]
    }

    /// Takes what was given, and closes every other inherited descriptor but the standard streams.
    static func take(declared: [String], keepsDescriptors: Bool) throws(DaemonFailure) -> Taken {
        var texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        // SAFETY: libsystemd makes an array of `count` strings, which are copied and freed here. It
        // checks LISTEN_PID and sets close-on-exec; the variables are removed for children.
        let count = unsafe sd_listen_fds_with_names(1, &texts)
        guard count >= 0 else {
            throw DaemonFailure(.sockets, "LISTEN_FDS cannot be read: \(Errno(code: -count))")
        }
        var names: [String] = []
        for index in 0..<Int(count) {
            // SAFETY: as above.
            guard let text = unsafe texts?[index] else { break }
            names.append(unsafe String(cString: text))
            unsafe sd_free(text)
        }
        // SAFETY: as above.
        if let texts = unsafe texts { unsafe sd_free(texts) }
        // Owned from here, so that a refusal closes them all.
        let given = (0..<count).map {
            SharedDescriptor(Descriptor(adopting: SD_LISTEN_FDS_START + $0))
        }
        do throws(Errno) {
            try Process.closeInherited(from: SD_LISTEN_FDS_START + count)
        } catch {
            throw DaemonFailure(.system, "inherited descriptors cannot be closed: \(error)")
        }
        let sockets = try GivenSockets(
            names: names, declared: declared, keepsDescriptors: keepsDescriptors)
        for (name, position) in zip(declared, sockets.listeners) {
            try check(given[position], name)
        }
        return Taken(
            listeners: sockets.listeners.map { given[$0] },
            stored: sockets.stored.map {
                StoredDescriptor(name: names[$0], descriptor: given[$0])
            })
    }

    private static func check(_ shared: SharedDescriptor, _ name: String) throws(DaemonFailure) {
        let wrong = DaemonFailure(
            .sockets, "\"\(name)\" must be a listening Unix socket of type SOCK_SEQPACKET")
        do throws(Errno) {
            guard try Socket.family(shared.descriptor) == .unix,
                try Socket.kind(shared.descriptor) == .seqpacket,
                try Socket.isListening(shared.descriptor)
            else { throw Errno.invalid }
        } catch {
            throw wrong
        }
    }
}
