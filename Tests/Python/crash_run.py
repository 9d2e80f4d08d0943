"""A mixed load on a node whose daemons are killed at random, and the comparison of everything that was
promised with everything that is there. Used by the test and by the benchmark.

What a caller was answered is a promise. What ended in an error may have happened or not, once: it is
asked for again with the same key, or counts as doubtful."""

import os
import random
import signal
import threading
import time

import boxes
import wire_client as w
from node import DAEMONS, Traces, wait_until

# The time one caller goes on asking while daemons come and go.
PATIENCE = 30.0
INTERRUPTED = (w.Closed, OSError, w.ProtocolBroken)


class CrashRun:
    def __init__(self, node, seed, seconds):
        self.node, self.seconds, self.chance = node, seconds, random.Random(seed)
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.kills = {name: 0 for name in DAEMONS}
        self.operations = {}
        self.violations = []
        # Promised: service id -> its tree; token -> what is known of the instance.
        self.boxes, self.doubtful, self.removed = {}, set(), set()
        self.running, self.ended = {}, {}

    # What it does.

    def run(self):
        self.before = Traces()
        endless = boxes.script_box("exec /bin/busybox sleep 1000", tag="crash-base")
        self.base = self.asked(lambda: self.node.import_box(*endless))
        self.exits = self.exit_boxes()
        work = [self.pack, self.start_and_stop, self.start_and_keep, self.run_to_its_end, self.look]
        threads = [threading.Thread(target=self.repeat, args=(one, self.chance.random()))
                   for one in work]
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
        self.clean()
        return self

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
                os.kill(self.node.pid(name), signal.SIGKILL)
                self.kills[name] += 1
            except (*INTERRUPTED, w.Fault):
                continue

    def asked(self, work):
        """Repeats what a killed daemon did not answer; the answer."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return work()
            except INTERRUPTED:
                pass
            except w.Fault as fault:
                if fault.code != "UNAVAILABLE":
                    raise
            if time.monotonic() > end:
                raise AssertionError(f"not answered within {PATIENCE} s\n{self.node.log()[-2000:]}")
            time.sleep(0.02)

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

    def start(self, service_id):
        key = os.urandom(16)
        return self.asked(lambda: self.node.start_service(service_id, key=key)), key

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
        self.claim(
            len(live) == len(self.running),
            f"{len(live)} instances live, {len(self.running)} were promised")
        self.claim(not live & set(self.ended), "an instance that was told as ended lives")
        for token, key in self.running.items():
            again = self.asked(lambda key=key: self.node.start_service(
                self.base.service_id, key=key))
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

    def clean(self):
        """Everything goes; what is left then was leaked."""
        for token in list(self.running):
            self.asked(lambda token=token: self.node.stop_service(token, grace_ms=0))
        try:
            wait_until(lambda: not self.leftovers(), 15, "nothing is left")
        except AssertionError:
            self.violations.append(f"left behind of {self.node.base}: {self.leftovers()}")

    def leftovers(self):
        new = Traces().new_since(self.before)
        new.pop("namespaces", None)
        new["processes"] = [one for one in new.get("processes", [])
                            if not any(name in one for name in (*DAEMONS, "sandbox-launcher"))]
        return {kind: found for kind, found in new.items() if found}

    def claim(self, holds, otherwise):
        if not holds:
            self.violations.append(otherwise)
