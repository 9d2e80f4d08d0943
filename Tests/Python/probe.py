"""A running instance of the probe (Tests/Privileged/probe.c), asked over its relayed port."""

import socket


class Probe:
    """A running instance of the probe."""

    def __init__(self, node, started):
        self.node, self.started, self.token = node, started, started.token
        # A child has an address inside its parent only.
        outside = [one for one in started.instance.addresses if not one.inside]
        self.address = (outside[0].host, outside[0].port) if outside else None

    def ask(self, line, timeout=120):
        """One line to the probe; its whole answer, empty where it ended instead."""
        with socket.create_connection(self.address, timeout=timeout) as connection:
            connection.sendall(line.encode() + b"\n")
            answer = b""
            try:
                while part := connection.recv(65_536):
                    answer += part
            except ConnectionResetError:
                pass
            return answer.decode(errors="replace")

    def run(self, command, timeout=120):
        """A shell command inside: (output, status)."""
        text = self.ask("run " + command, timeout)
        output, _, status = text.rpartition("=")
        return output, int(status) if status.strip().isdigit() else status

    def stop(self, **more):
        return self.node.stop_service(self.token, **more)
