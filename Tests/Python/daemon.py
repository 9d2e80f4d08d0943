"""One daemon by itself, started the way a service manager starts it: its listening socket as
descriptor 3, a notification socket, a configuration file."""

import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from folders import new_open_folder
from node import BINARIES


@dataclass(frozen=True)
class Configuration:
    """A daemon's command line and configuration file, as `celautctl up` made them."""

    path: Path
    text: str
    arguments: tuple
    uid: int
    gid: int

    def with_text(self, text):
        return replace(self, text=text)


def configuration_of(node, name):
    """Read from the running daemon: its `--config FILE`, and the user it runs as."""
    pid = node.pid(name)
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[1:-1]
    path = Path(words[words.index("--config") + 1])
    owner = os.stat(f"/proc/{pid}")
    return Configuration(path, path.read_text(), tuple(words), owner.st_uid, owner.st_gid)


class BareDaemon:
    """Use as a context: killed and cleaned up at its end."""

    def __init__(self, name, configuration, socket_name="", path=None):
        self.folder = new_open_folder()
        self.name, self.configuration = name, configuration
        self.socket_name = name if socket_name == "" else socket_name
        self.socket_path = self.folder / f"{name}.sock"
        self.config_path = path or self.folder / "config.toml"
        if path is None:
            self.config_path.write_text(configuration.text)
        self.told = ""

    def __enter__(self):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify"))
        os.chmod(self.folder / "notify", 0o666)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.socket_path))
        os.chmod(self.socket_path, 0o666)
        self.listener.listen(16)
        arguments = list(self.configuration.arguments)
        arguments[arguments.index("--config") + 1] = str(self.config_path)
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(self.folder / "notify")}
        listener = self.listener.fileno()
        # The shell knows the pid that LISTEN_PID must have, and becomes the daemon.
        script = 'exec "$0" "$@"'
        if self.socket_name is not None:
            move = "" if listener == 3 else f"exec 3<&{listener} {listener}<&-; "
            script = f"{move}export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={self.socket_name}; {script}"
        with open(self.folder / "errors", "wb") as errors:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", script, BINARIES / self.name, *arguments], env=environment,
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                pass_fds=() if self.socket_name is None else (listener,),
                user=self.configuration.uid, group=self.configuration.gid, extra_groups=[])
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.listener.close()
        self.notify.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def errors(self):
        return (self.folder / "errors").read_text(errors="replace")

    def wait_ready(self, within=60.0):
        self.notify.settimeout(within)
        try:
            while "READY=1" not in self.told:
                self.told += self.notify.recv(4096).decode() + "\n"
        except TimeoutError:
            raise AssertionError(f"{self.name} is not ready:\n{self.errors()}") from None

    def notifications(self):
        """All that was told so far."""
        self.notify.setblocking(False)
        try:
            while True:
                self.told += self.notify.recv(4096).decode() + "\n"
        except BlockingIOError:
            return self.told
