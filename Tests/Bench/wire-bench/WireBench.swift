import Channel
import Syscalls

/// The caller and the daemon of the wire benchmarks (`wire.py`): a real server with a generated
/// handler, called through the generated client by another process.
///
///     wire-bench serve SOCKET
///     wire-bench wire-rtt|wire-fd|wire-throughput SOCKET COUNT   prints nanoseconds per operation
@main
struct WireBench {
    static func main() throws {
        let arguments = CommandLine.arguments
        let loop = try EventLoop(.process)
        if arguments.count == 3, arguments[1] == "serve" {
            let handler = try BenchHandler(loop)
            let server = try handler.server(listening: SeqpacketSocket.listen(arguments[2]))
            try server.start()
            try loop.onSignals([.terminate]) { _ in loop.stop() }
            _ = Terminal.write("ready\n", to: .output)
            loop.run()
        } else if arguments.count == 4, let count = Int(arguments[3]) {
            loop.run { home in
                await home.measure(arguments[1], path: arguments[2], count: count)
            }
        } else {
            Process.exit(2)
        }
    }
}
