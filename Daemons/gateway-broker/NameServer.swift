import Channel
import Interfaces
import Syscalls

/// Answers an instance's questions for names, on sockets inside it.
///
/// Keeps true: a question costs one look into the book and at most one datagram; nothing is kept of
/// it. Belongs to the loop's thread.
final class NameServer {
    // LIMIT: 64 questions are answered before other descriptors have their turn; what does not fit
    // into the socket's buffer is lost, as datagrams are.
    private static let questionsPerTurn = 64

    private let loop: EventLoop
    private let shop: RelayWorkshop
    private let lookUp: (String) -> [UInt32]?
    private var sockets: [(socket: SharedDescriptor, watch: WatchToken)] = []

    /// - Parameter lookUp: what a name means to this instance; nil for one it was not given.
    init(loop: EventLoop, shop: RelayWorkshop, lookUp: @escaping (String) -> [UInt32]?) {
        self.loop = loop
        self.shop = shop
        self.lookUp = lookUp
    }

    func listen(_ socket: consuming Descriptor) throws(Errno) {
        try socket.setNonBlocking(true)
        let shared = SharedDescriptor(socket)
        let watch = try loop.watch(shared.descriptor, .readable) { [weak self] _ in
            self?.answer(shared)
        }
        sockets.append((shared, watch))
    }

    private func answer(_ socket: SharedDescriptor) {
        for _ in 0..<Self.questionsPerTurn {
            do throws(Errno) {
                guard let arrived = try DatagramPump.receive(socket.descriptor, with: shop) else {
                    return
                }
                guard arrived.bytes <= DNSMessage.bytesMax else { continue }
                let bytes = DatagramPump.kept(bytes: arrived.bytes, in: shop)
                guard let answer = answer(bytes) else { continue }
                InternetSocket.reply(socket.descriptor, to: arrived.sender, answer)
            } catch {
                // An answer that nobody took; the socket goes on.
                continue
            }
        }
    }

    private func answer(_ bytes: [UInt8]) -> [UInt8]? {
        switch DNSMessage.read(bytes) {
        case .question(let question): DNSMessage.answer(question, lookUp(question.name))
        case .refused(let id, let code): DNSMessage.refusal(id: id, code: code)
        case .none: nil
        }
    }

    func close() {
        for (_, watch) in sockets { loop.unwatch(watch) }
        sockets = []
    }
}
