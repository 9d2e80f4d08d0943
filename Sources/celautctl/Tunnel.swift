import ArgumentParser
import Channel
import Interfaces
import SwiftProtobuf
import Syscalls

/// `celautctl tunnel`: a connection to a slot on standard input and output.
struct Tunnel: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects standard input and output to a slot of an instance.",
        discussion: """
            For callers who may not or cannot reach the slot's address: the token is enough. The end \
            of the input is passed on; the command ends when the slot does.

            Example:
              printf 'PING\\r\\n' | celautctl tunnel cache 6379
            """)

    @Argument(help: "The instance: its name, its id, or its token.")
    var instance: String
    @Argument(help: "The port the service declares.")
    var slot: UInt16
    @OptionGroup var options: NodeOptions

    func run() {
        let request = OpenTunnelRequest.with {
            $0.instance = .init(instance)
            $0.slot = UInt32(slot)
            $0.transport = .tcp
        }
        Session.run(options) { session, _ async throws(Complaint) in
            let (_, parcel) = try await session.asked { () async throws(Fault) in
                try await session.gateway.openTunnel(request)
            }
            guard let socket = parcel.take(0) else {
                throw Complaint("The node gave no connection.", code: .software)
            }
            let end = TunnelEnd(socket)
            do throws(Errno) {
                try end.socket.setNonBlocking(false)
                // Its end is this process's: who reads the terminal cannot be called back.
                _ = try Thread(name: "tunnel-input") { end.sendInput() }
                try await session.loop.runBlocking { () throws(Errno) in try end.printAnswers() }
            } catch {
                throw Complaint("The connection broke: \(error).", code: .unavailable)
            }
            return .success
        }
    }
}

/// The caller's end of a tunnel, shared by the two directions.
private final class TunnelEnd: Sendable {
    private static let stepBytes = 65_536
    let socket: Descriptor

    init(_ socket: consuming Descriptor) {
        self.socket = socket
    }

    func sendInput() {
        do throws(Errno) {
            let input = try File.open("/dev/stdin")
            while true {
                let bytes = try File.read(input, max: Self.stepBytes)
                if bytes.isEmpty { break }
                try File.writeAll(socket, bytes)
            }
            try Socket.shutdown(socket, .send)
        } catch {
            // The other direction tells how it ended.
            try? Socket.shutdown(socket, .send)
        }
    }

    func printAnswers() throws(Errno) {
        while true {
            let bytes = try File.read(socket, max: Self.stepBytes)
            if bytes.isEmpty { return }
            Printer.emit(bytes, to: .output)
        }
    }
}
