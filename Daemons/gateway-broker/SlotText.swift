import Interfaces
import Syscalls

/// Slots as a column: "6379/tcp/41234 53/udp/0", readable with any SQLite shell; with the address after
/// it where that is not the loopback's: "80/tcp/8080/192.0.2.1". What passed through them as another:
/// "6379/tcp/connections/bytes to it/bytes from it".
package enum SlotText {
    package static func text(_ slots: [RelayedSlot]) -> String {
        let loopback = IPv4Endpoint.loopback(port: 0).address
        return slots.map { slot in
            let text = "\(key(slot.key))/\(slot.hostPort)"
            let host = IPv4Endpoint(address: slot.hostAddress, port: 0).host
            return slot.hostAddress == loopback ? text : "\(text)/\(host)"
        }.joined(separator: " ")
    }

    package static func slots(_ text: String) -> [RelayedSlot]? {
        var slots: [RelayedSlot] = []
        for word in text.split(separator: " ") {
            let parts = parts(word)
            guard parts.count == 3 || parts.count == 4, let key = key(parts),
                let host = UInt16(parts[2])
            else { return nil }
            var slot = RelayedSlot(port: key.port, transport: key.transport, hostPort: host)
            if parts.count == 4 {
                guard let endpoint = IPv4Endpoint(String(parts[3]), port: 0) else { return nil }
                slot.hostAddress = endpoint.address
            }
            slots.append(slot)
        }
        return slots
    }

    package static func text(_ counts: [SlotCount]) -> String {
        counts.map {
            "\(key($0.slot))/\($0.connections)/\($0.toInstance)/\($0.fromInstance)"
        }.joined(separator: " ")
    }

    package static func counts(_ text: String) -> [SlotCount]? {
        var counts: [SlotCount] = []
        for word in text.split(separator: " ") {
            let parts = parts(word)
            guard parts.count == 5, let key = key(parts), let connections = UInt64(parts[2]),
                let toInstance = UInt64(parts[3]), let fromInstance = UInt64(parts[4])
            else { return nil }
            var count = SlotCount(key)
            count.connections = connections
            count.toInstance = toInstance
            count.fromInstance = fromInstance
            counts.append(count)
        }
        return counts
    }

    private static func parts(_ word: Substring) -> [Substring] {
        word.split(separator: "/", omittingEmptySubsequences: false)
    }

    private static func key(_ slot: SlotKey) -> String {
        "\(slot.port)/\(slot.transport == .udp ? "udp" : "tcp")"
    }

    private static func key(_ parts: [Substring]) -> SlotKey? {
        guard let port = UInt16(parts[0]), parts[1] == "tcp" || parts[1] == "udp" else {
            return nil
        }
        return SlotKey(port: port, transport: parts[1] == "udp" ? .udp : .tcp)
    }
}
