"""A mixed load on a node whose daemons are killed at random, and the comparison of everything that was
promised with everything that is there. Used by the test and by the benchmark.

What a caller was answered is a promise. What ended in an error may have happened or not, once: it is
asked for again with the same key, or counts as doubtful."""

import os
import random
import signal
import socket
import threading
import time

import boxes
import wire_client as w
from node import DAEMONS, Traces, wait_until

# The time one caller goes on asking while daemons come and go; most of it is past the last kill.
PATIENCE = 120.0
INTERRUPTED = (w.Closed, OSError, w.ProtocolBroken)
# Two of these fit into one of the others.
SMALL = {"mem_limit": 16 << 20, "disk_space": 16 << 20}
FAMILIES = 2
# LIMIT: private memory that a daemon may take more after QUIET_ROUNDS of all the work without a kill.
# An allocator's arenas come and go with threads; what is kept per request would be more.
GROWTH_BYTES_MAX = 16 << 20
QUIET_ROUNDS = 20


class CrashRun:
    def __init__(self, node, seed, seconds):
        self.node, self.seconds, self.chance = node, seconds, random.Random(seed)
        self.over = threading.Event()
        self.lock = threading.Lock()
        # Those that are over, and those that were begun: one that is under way is in the second alone.
        self.kills = {name: 0 for name in DAEMONS}
        self.attempts = {name: 0 for name in DAEMONS}
        self.operations = {}
        self.violations, self.growth = [], {}
        # Promised: service id -> its tree; token -> what is known of the instance.
        self.boxes, self.doubtful, self.removed = {}, set(), set()
        self.running, self.ended = {}, {}
        # Parents that are kept: token -> (instance id, those of its children).
        self.families = {}

    # What it does.

    def run(self):
        self.before = Traces()
        endless = boxes.script_box("exec /bin/busybox sleep 1000", tag="crash-base")
        self.base = self.asked(lambda: self.node.import_box(*endless))
        self.small = self.asked(lambda: self.node.import_box(*boxes.script_box(
            "exec /bin/busybox sleep 1000", tag="crash-child",
            resources={"at_init": SMALL, "at_most": SMALL})))
        self.exits = self.exit_boxes()
        echo = self.asked(lambda: self.node.import_box(*boxes.script_box(
            "exec /bin/busybox nc -ll -p 7000 -e /bin/busybox cat", tag="crash-echo",
            api=[{"port": 7000, "transport": "tcp"}])))
        self.echo, _ = self.start(echo.service_id)
        threads = [threading.Thread(target=self.repeat, args=(one, self.chance.random()))
                   for one in self.work]
        killer = threading.Thread(target=self.kill, args=(self.chance.random(),))
        for thread in (*threads, killer):
            thread.start()
        self.over.wait(self.seconds)
        self.over.set()
        for thread in (*threads, killer):
            thread.join()
        for name in DAEMONS:
            self.node.wait_for(name)
        self.compare()
        self.grow()
        self.clean()
        return self

    @property
    def work(self):
        return [self.pack, self.start_and_stop, self.start_and_keep, self.run_to_its_end,
                self.have_children, self.tunnel, self.look]

    def exit_boxes(self):
        """One box for each exit code that is asked for."""
        return {code: self.asked(lambda: self.node.import_box(*boxes.script_box(
            "/bin/busybox sleep 0.1", f"exit {code}", tag=f"crash-exit-{code}")))
            for code in (0, 7)}

    def repeat(self, work, seed):
        chance = random.Random(seed)
        while not self.over.is_set():
            try:
                work(chance)
            except w.Fault as fault:
                self.violations.append(f"{work.__name__}: {fault}")
            except Exception as error:  # A worker that dies hides what it would have found.
                self.violations.append(f"{work.__name__}: {type(error).__name__}: {error}")
            with self.lock:
                name = work.__name__
                self.operations[name] = self.operations.get(name, 0) + 1

    def kill(self, seed):
        chance = random.Random(seed)
        while not self.over.wait(chance.uniform(0.5, 1.5)):
            name = chance.choice(DAEMONS)
            try:
                pid = self.node.pid(name)
                self.attempts[name] += 1
                os.kill(pid, signal.SIGKILL)
                self.kills[name] = self.attempts[name]
            except (*INTERRUPTED, w.Fault):
                continue

    def asked(self, work):
        """Repeats what a killed daemon did not answer; the answer."""
        begun = time.monotonic()
        tries = []
        while True:
            try:
                return work()
            except INTERRUPTED as error:
                tries.append((round(time.monotonic() - begun, 1), repr(error)))
            except w.Fault as fault:
                if fault.code != "UNAVAILABLE":
                    raise
                tries.append((round(time.monotonic() - begun, 1), str(fault)))
            if time.monotonic() > begun + PATIENCE:
                raise AssertionError(
                    f"not answered within {PATIENCE} s\n{len(tries)} tries, the last {tries[-10:]}\n"
                    f"{self.told()}\n{self.node.log()[-8000:]}")
            time.sleep(0.02)

    def told(self):
        """What the node says of its instances, for a person to read."""
        return self.node.command("ps", "--all", "--format", "json").stdout[-8000:]

    # The load.

    def pack(self, chance):
        """A new box; every third goes again."""
        content = chance.randbytes(chance.randrange(1, 200_000))
        tree = boxes.tar_bytes([boxes.entry("start", boxes.script("exit 0")),
                                boxes.entry("data", content)])
        description = boxes.described(
            tag=f"crash-{chance.getrandbits(32):08x}", init={"entry_path": ["start"]}, api=[])
        box = self.asked(lambda: self.node.import_box(tree, description))
        self.boxes[box.service_id] = (tree, description)
        if chance.random() < 0.3:
            self.remove(box.service_id)

    def remove(self, service_id):
        self.doubtful.add(service_id)
        try:
            self.asked(lambda: self.node.remove_box(service_id))
        except w.Fault as fault:
            # It was removed, and the answer was lost.
            if fault.code != "NOT_FOUND":
                raise
        self.removed.add(service_id)
        self.doubtful.discard(service_id)

    def start(self, service_id, key=None, **more):
        """What was started, and the key it was asked for with: a new one unless one is given."""
        key = key or os.urandom(16)
        return self.asked(lambda: self.node.start_service(
            service_id, key=key, ready_ms=int(PATIENCE * 1000), **more)), key

    def start_and_stop(self, _):
        started, key = self.start(self.base.service_id)
        self.running[started.token] = key
        state = self.asked(lambda: self.node.stop_service(started.token, grace_ms=0)).state
        del self.running[started.token]
        self.ended[started.instance.instance_id] = "STOPPED"
        self.expect_end(state, "STOPPED")

    def start_and_keep(self, chance):
        if len(self.running) > 5:
            self.over.wait(0.2)
            return
        started, key = self.start(self.base.service_id)
        self.running[started.token] = key

    def run_to_its_end(self, chance):
        code = chance.choice(list(self.exits))
        try:
            started, _ = self.start(self.exits[code].service_id)
        except w.Fault as fault:
            # It ended while nobody was there to see that it was ready: the truth, told at once.
            if (fault.code, fault.fault.actual) != ("ENDED_EARLY", code):
                raise
            return
        state = self.asked(lambda: self.node.watch_until_ended(started.token))
        self.ended[started.instance.instance_id] = "EXITED"
        self.expect_end(state, "EXITED", code)

    def have_children(self, chance):
        """A parent and two children; most parents are stopped, and take their children along."""
        parent, _ = self.start(self.base.service_id)
        of_it = w.gateway.InstanceReference(token=parent.token)
        children = [self.start(self.small.service_id, parent=of_it)[0].instance for _ in range(2)]
        mine = parent.instance.instance_id
        if any(child.parent_id != mine for child in children):
            self.violations.append(f"a child of another: {children}")
        ids = {child.instance_id for child in children}
        if len(self.families) < FAMILIES and chance.random() < 0.5:
            self.families[parent.token] = (mine, ids)
            return
        self.asked(lambda: self.node.stop_service(parent.token, grace_ms=0))
        left = ids & {one.instance_id for one in self.asked(self.node.list_services)}
        if left:
            self.violations.append(f"children that outlive their parent: {left}")
        self.ended[mine] = "STOPPED"

    def tunnel(self, chance):
        """Bytes there and back: only the death of the gateway, which carries them, may end it."""
        kills = self.kills["gateway-broker"]
        with self.asked(self.open_tunnel) as connection:
            try:
                for _ in range(chance.randrange(1, 20)):
                    sent = chance.randbytes(chance.randrange(1, 100_000))
                    sender = threading.Thread(target=send_all, args=(connection, sent))
                    sender.start()
                    received = receive_all(connection, len(sent))
                    sender.join()
                    if received != sent:
                        raise ConnectionResetError(f"{len(received)} of {len(sent)} bytes came back")
                    self.over.wait(0.05)
            except OSError as error:
                if self.attempts["gateway-broker"] == kills:
                    self.violations.append(f"a tunnel ended while its gateway lived: {error}")

    def open_tunnel(self):
        request = w.gateway.OpenTunnelRequest(
            instance=w.gateway.InstanceReference(token=self.echo.token), slot=7000)
        with self.node.connect("gateway-broker", "GatewayBroker") as connection:
            _, [descriptor] = connection.call_with_descriptors("GatewayBroker.OpenTunnel", request)
        opened = socket.socket(fileno=descriptor)
        opened.settimeout(PATIENCE)
        return opened

    def look(self, _):
        self.asked(self.node.list_services)
        self.asked(self.node.list_boxes)
        self.over.wait(0.05)

    def expect_end(self, state, cause, code=None):
        wanted = getattr(w.sandbox, f"END_CAUSE_{cause}")
        if state.ended.cause != wanted or (code is not None and state.ended.exit_code != code):
            self.violations.append(f"an instance that should have {cause} {code}: {state.ended}")

    # What was promised, and what is there.

    def compare(self):
        listed = {box.service_id for box in self.asked(self.node.list_boxes)}
        promised = set(self.boxes) - self.removed - self.doubtful
        self.claim(not promised - listed, f"lost boxes: {len(promised - listed)}")
        self.claim(not self.removed & listed, f"removed boxes are back: {self.removed & listed}")
        services = self.asked(self.node.list_services)
        live = {one.instance_id for one in services}
        promised_live = len(self.running) + sum(
            1 + len(children) for _, children in self.families.values()) + 1
        self.claim(
            len(live) == promised_live,
            f"{len(live)} instances live, {promised_live} were promised")
        ties = {(one.parent_id, one.instance_id) for one in services if one.parent_id}
        self.claim(
            ties == {(parent, child) for parent, children in self.families.values()
                     for child in children}, f"other ties than promised: {ties}")
        self.claim(not live & set(self.ended), "an instance that was told as ended lives")
        for token, key in self.running.items():
            again, _ = self.start(self.base.service_id, key)
            self.claim(again.token == token, "the same key gives another instance")
        for service_id in sorted(promised)[:20]:
            tree, description = self.boxes[service_id]
            again = self.asked(lambda t=tree, d=description: self.node.import_box(t, d))
            self.claim(again.already_present and again.service_id == service_id, "a box changed")
        told = {one.instance_id: one.state.ended.cause
                for one in self.asked(lambda: self.node.list_services(ended=True))
                if one.state.phase == w.sandbox.PHASE_ENDED}
        for instance, cause in self.ended.items():
            if instance in told:
                wanted = getattr(w.sandbox, f"END_CAUSE_{cause}")
                self.claim(told[instance] == wanted, f"an end is told as {told[instance]} now")

    def grow(self):
        """The same work again without a kill: what each daemon holds afterwards, it held before."""
        self.end_all()
        # A process that was just started has yet to touch what it will always have.
        for _ in range(QUIET_ROUNDS // 2):
            self.round()
        before = {name: self.held(name) for name in DAEMONS}
        for _ in range(QUIET_ROUNDS):
            self.round()
        for name, (descriptors, mounts, memory) in before.items():
            def no_more():
                now = self.held(name)
                return now[0] <= descriptors and now[1] <= mounts
            try:
                wait_until(no_more, PATIENCE, f"{name} holds what it held")
            except AssertionError as error:
                self.violations.append(
                    f"{error}: {descriptors} descriptors and {mounts} mounts, now {self.held(name)}")
            grown = self.held(name)[2] - memory
            self.claim(grown <= GROWTH_BYTES_MAX, f"{name} takes {grown} bytes more")
            self.growth[name] = grown

    def round(self):
        """Each kind of work once, and nothing of it kept."""
        for one in self.work:
            one(self.chance)
        self.end_all()

    def held(self, name):
        """Descriptors, mounts in its namespace, private bytes of a daemon."""
        status = self.node.status(name)
        process = f"/proc/{status.process_id}"
        with open(f"{process}/mountinfo") as mounts:
            return (len(os.listdir(f"{process}/fd")), sum(1 for _ in mounts),
                    status.private_memory_bytes)

    def end_all(self):
        """All but the echo service that the tunnels lead to."""
        for token in (*self.running, *self.families):
            self.asked(lambda token=token: self.node.stop_service(token, grace_ms=0))
        self.running, self.families = {}, {}

    def clean(self):
        """Everything goes; what is left then was leaked."""
        self.end_all()
        self.asked(lambda: self.node.stop_service(self.echo.token, grace_ms=0))
        try:
            wait_until(lambda: not self.leftovers(), PATIENCE, "nothing is left")
        except AssertionError:
            self.violations.append(f"left behind of {self.node.base}: {self.leftovers()}")
        unknown = set()

        def all_known():
            # Of those that the gateway forgets the supervisor is told a moment later.
            nonlocal unknown
            known = {one.instance_id.hex()
                     for one in self.asked(lambda: self.node.list_services(ended=True))}
            unknown = set(os.listdir(self.node.state / "sandbox-supervisor/instances")) - known
            return not unknown
        try:
            wait_until(all_known, PATIENCE, "all records are known")
        except AssertionError:
            self.violations.append(f"records of instances that nobody knows: {unknown}")
        self.claim(self.node.command("boxes", "verify").returncode == 0, "the store is not whole")

    def leftovers(self):
        new = Traces().new_since(self.before)
        new.pop("namespaces", None)
        new["processes"] = [one for one in new.get("processes", [])
                            if not any(name in one for name in (*DAEMONS, "sandbox-launcher"))]
        return {kind: found for kind, found in new.items() if found}

    def claim(self, holds, otherwise):
        if not holds:
            self.violations.append(otherwise)


def send_all(connection, content):
    """A failure is seen by who reads."""
    try:
        connection.sendall(content)
    except OSError:
        pass


def receive_all(connection, length):
    """So many bytes, or fewer where the other side ended."""
    received = bytearray()
    while len(received) < length and (part := connection.recv(length - len(received))):
        received += part
    return bytes(received)
