"""A real node for a test: started with `celautctl up` in a state directory of its own, and the means
to see whether anything of it is left afterwards."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

import wire_client as w
from folders import new_folder
from traces import Traces, own_folder, own_node

DAEMONS = ("box-builder", "sandbox-supervisor", "gateway-broker")
BINARIES = Path(os.environ.get("CELAUT_BIN", Path(__file__).resolve().parents[2] / ".build/release"))
CELAUTCTL = BINARIES / "celautctl"
# LIMIT: seconds for what takes a moment on a machine that does nothing else: only what hangs takes so long.
PATIENCE = 120.0


def wait_until(condition, within, what):
    """Waits for a condition of the world outside, which sends no event, with a deadline."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what}")
        time.sleep(0.01)


class Node:
    """`celautctl up`, its state directory and its log. Use as a context."""

    def __init__(self, state=None, base=None, roots="auto", config=None, within=()):
        """`config`: text for daemons' configuration files, by daemon, added to what `up` writes.
        `within`: a command that becomes `up`, with its arguments."""
        self.within = tuple(within)
        self.options = () if roots == "auto" else ("--roots", roots)
        self.base = own_folder(Path(base or new_folder()))
        self.owns_base = base is None
        self.base.chmod(0o755)
        self.state = Path(state or self.base / "state")
        self.log_path = self.base / "up.log"
        if config:
            self.config = self.base / "config"
            self.config.mkdir(exist_ok=True)
            for daemon, text in config.items():
                (self.config / f"{daemon}.toml").write_text(text)
            self.options += ("--config", self.config)
        self.process = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.owns_base:
                shutil.rmtree(self.base, ignore_errors=True)

    @property
    def runtime(self):
        return self.state / "run"

    def socket(self, daemon):
        return self.runtime / f"{daemon}.sock"

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def command(self, *arguments, runtime=None, **options):
        """A finished `celautctl` command against this node, or what is at another place."""
        return subprocess.run(
            [CELAUTCTL, *arguments, "--runtime", runtime or self.runtime], text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def begin(self):
        """Starts `up`, and waits for nothing."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.within, CELAUTCTL, "up", "--state", self.state, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def start(self):
        self.begin()
        for daemon in DAEMONS:
            self.wait_for(daemon)
        own_node(self.state)
        return self

    def wait_for(self, daemon, other_than=None, within=PATIENCE):
        """The status of a daemon, once it answers from a process other than the given one."""
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"up ended with {self.process.returncode}:\n{self.log()}")
            try:
                status = self.status(daemon)
            except (OSError, w.Closed, w.Fault):
                return None
            return status if status.process_id != other_than else None
        try:
            return wait_until(answers, within, f"{daemon} answers")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}") from None

    def connect(self, daemon, *interfaces):
        return w.connect(self.socket(daemon), *interfaces)

    def status(self, daemon):
        with w.Connection(self.socket(daemon), ["Admin"], timeout=30) as connection:
            return connection.call("Admin.GetStatus", w.admin.GetStatusRequest())

    def pid(self, daemon):
        return self.status(daemon).process_id

    def kill(self, daemon):
        """kill -9; the status of its successor."""
        pid = self.pid(daemon)
        os.kill(pid, signal.SIGKILL)
        return self.wait_for(daemon, other_than=pid)

    def stop(self, within=PATIENCE):
        """SIGTERM; the exit code. Killed, and an error, where it does not end."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.terminate()
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"up did not end on SIGTERM:\n{self.log()[-4000:]}") from None

    # What a caller does with it.

    def import_box(self, tree, description, **more):
        import boxes
        with self.connect("box-builder", "BoxBuilder") as connection:
            return boxes.import_box(connection, tree, description, **more)

    def list_boxes(self):
        with self.connect("box-builder", "BoxBuilder") as connection:
            return list(connection.stream("BoxBuilder.ListBoxes", w.box.ListBoxesRequest()))

    def remove_box(self, service_id):
        with self.connect("box-builder", "BoxBuilder") as connection:
            return connection.call(
                "BoxBuilder.RemoveBox", w.box.RemoveBoxRequest(box=service_id.hex()),
                deadline=PATIENCE)

    def start_service(self, service, ready_ms=60_000, key=None, environment=(), **fields):
        """The StartedService, or the Fault."""
        request = w.gateway.StartServiceRequest(
            key=key or os.urandom(16), service=service if isinstance(service, str) else service.hex(),
            ready_deadline_ms=ready_ms, **fields)
        for name, value in environment:
            request.environment.add(name=name, value=value)
        with self.connect("gateway-broker", "GatewayBroker") as connection:
            last = None
            for last in connection.stream("GatewayBroker.StartService", request, deadline=180):
                pass
        if last is None or last.WhichOneof("event") != "started":
            raise w.ProtocolBroken("a start without a token at its end")
        return last.started

    def stop_service(self, token, grace_ms=5_000):
        with self.connect("gateway-broker", "GatewayBroker") as connection:
            return connection.call(
                "GatewayBroker.StopService",
                w.gateway.StopServiceRequest(
                    instance=w.gateway.InstanceReference(token=token), grace_ms=grace_ms),
                deadline=PATIENCE).instance

    def list_services(self, ended=False):
        with self.connect("gateway-broker", "GatewayBroker") as connection:
            return list(connection.stream(
                "GatewayBroker.ListServices", w.gateway.ListServicesRequest(ended=ended)))

    def watch_until_ended(self, token, within=PATIENCE):
        """How an instance ended, waited for."""
        with self.connect("gateway-broker", "GatewayBroker") as connection:
            request = w.gateway.WatchServiceRequest(
                instance=w.gateway.InstanceReference(token=token))
            for item in connection.stream("GatewayBroker.WatchService", request, deadline=within):
                if item.state.phase == w.sandbox.PHASE_ENDED:
                    return item.state
        raise AssertionError("the watch ended before the instance did")

    def output(self, token, **fields):
        """(stdout, stderr) of an instance as kept so far."""
        streams = {w.sandbox.OUTPUT_STREAM_STDOUT: b"", w.sandbox.OUTPUT_STREAM_STDERR: b""}
        with self.connect("gateway-broker", "GatewayBroker") as connection:
            request = w.gateway.ReadServiceOutputRequest(
                instance=w.gateway.InstanceReference(token=token), **fields)
            for item in connection.stream(
                    "GatewayBroker.ReadServiceOutput", request, deadline=PATIENCE):
                streams[item.stream] += item.data
        return streams[w.sandbox.OUTPUT_STREAM_STDOUT], streams[w.sandbox.OUTPUT_STREAM_STDERR]


def repeated(work, within=PATIENCE):
    """What a request answers, asked again while a daemon is away, as WIRE.md §5 allows."""
    end = time.monotonic() + within
    while True:
        try:
            return work()
        except (w.Closed, OSError):
            if time.monotonic() > end:
                raise
        except w.Fault as fault:
            if fault.code != "UNAVAILABLE" or time.monotonic() > end:
                raise
        time.sleep(0.02)


def hold(pid):
    """SIGSTOP, which each thread obeys a moment later: none of them does anything any more."""
    os.kill(pid, signal.SIGSTOP)

    def are_stopped():
        try:
            states = [(task / "stat").read_text().rsplit(")", 1)[1].split()[0]
                      for task in Path(f"/proc/{pid}/task").iterdir()]
        except OSError:  # a thread that ended meanwhile
            return False
        return set(states) == {"T"}
    wait_until(are_stopped, PATIENCE, "it stands still")


def children_of(pid):
    """Pids of the direct children, from any thread of it."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def nothing_new_since(before, within=60.0):
    """Waits until all that came since is gone again."""
    last = {}

    def gone():
        nonlocal last
        last = Traces().new_since(before)
        return not last
    try:
        wait_until(gone, within, "nothing is left")
    except AssertionError:
        raise AssertionError(f"left behind: {last}") from None


def paths_below(folder):
    """All that is in a folder, links not followed. What goes meanwhile is passed over; for `rglob` a directory
    that does is an error."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(place) / name


def files_below(folder):
    """Names and sizes of the files in a folder, without the database's own."""
    found = set()
    for path in paths_below(folder):
        try:
            if path.is_file() and ".sqlite" not in path.name and ".db" not in path.name:
                found.add((str(path.relative_to(folder)), path.stat().st_size))
        except OSError:
            continue
    return found


def store_of(node):
    """All that a box-builder keeps: every path with its kind, size and time of change, and every row of
    its index. Two that are equal are the same store. What was removed goes behind the answer: it is
    waited for, and what no box needs may not stay."""
    folder = node.state / "box-builder"

    def paths():
        found = set()
        for path in paths_below(folder):
            name = str(path.relative_to(folder))
            # The index is compared by its rows; `life` counts the process's starts.
            if name.startswith("index.sqlite") or name == "life":
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            # The 256 folders of objects are made when they are first needed, and stay.
            if stat.S_ISDIR(status.st_mode) and path.parent.name == "objects":
                continue
            kept = (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else ()
            found.add((name, stat.filemode(status.st_mode), *kept))
        return found

    def rows():
        index = sqlite3.connect(f"file:{folder}/index.sqlite?mode=ro", uri=True, timeout=30)
        try:
            # One transaction: all tables are of one moment.
            index.execute("BEGIN")
            tables = [name for (name,) in index.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'")]
            return ({table: sorted(map(repr, index.execute(f'SELECT * FROM "{table}"')))
                     for table in tables},
                    {digest.hex() for (digest,) in index.execute("SELECT digest FROM object")})
        finally:
            index.close()

    def settled():
        (tables, needed), found = rows(), paths()
        objects = {name.removeprefix("objects/").replace("/", "") for name, mode, *_ in found
                   if name.startswith("objects/") and mode.startswith("-")}
        return (found, tables) if objects <= needed else None
    return wait_until(settled, 60, "the store has only what its boxes need")
