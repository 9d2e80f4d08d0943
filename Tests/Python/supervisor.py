"""The sandbox supervisor by itself: boxes opened at the box builder, instances asked for as the gateway
would, without a gateway between."""

import fcntl
import os
import time

import wire_client as w


def connect_as(node, daemon, user_of, *interfaces):
    """A connection that the daemon takes for one of another daemon's. The kernel notes the effective
    uid at connect; the other ids stay, so that root is had back."""
    uid = os.stat(f"/proc/{node.pid(user_of)}").st_uid
    os.seteuid(uid)
    try:
        return w.Connection(node.socket(daemon), interfaces)
    finally:
        os.seteuid(0)


class OpenBox:
    """A box's descriptors, to be given with each start of it. Close it, or use it as a context."""

    def __init__(self, node, service_id):
        self.service_id = service_id
        with node.connect("box-builder", "BoxBuilder") as connection:
            request = w.box.OpenBoxRequest(
                box=service_id.hex(), holder=os.urandom(16).hex(), knows_read_only=True)
            reply, self.descriptors = connection.call_with_descriptors(
                "BoxBuilder.OpenBox", request)
        self.root = reply.root
        # The third is the description; an instance gets its configuration file in its place.
        os.close(self.descriptors.pop())
        self.descriptors.append(empty_file())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


def empty_file():
    """A sealed file of nothing."""
    descriptor = os.memfd_create("celaut-test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


class Supervisor:
    """A connection to the supervisor as the gateway. Use as a context."""

    def __init__(self, node):
        self.node = node
        self.connection = connect_as(
            node, "sandbox-supervisor", "gateway-broker", "SandboxSupervisor")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    @staticmethod
    def request(box, entrypoint, environment=(), slots=(), ready_ms=60_000, **limits):
        """A start request; limits as in the schema, with small defaults."""
        bounds = {"memory_bytes": 64 << 20, "processes": 64, "disk_bytes": 64 << 20, **limits}
        request = w.sandbox.StartInstanceRequest(
            instance_id=os.urandom(16), service_id=box.service_id, entrypoint=entrypoint,
            configuration_path=["__config__"], limits=w.sandbox.Limits(**bounds),
            ready_deadline_ms=ready_ms, root=box.root)
        for name, value in environment:
            request.environment.add(name=name, value=value)
        for port, transport in slots:
            request.slots.add(port=port, transport=transport)
        return request

    def start(self, box, entrypoint, **more):
        """Asks for an instance; its id."""
        request = self.request(box, entrypoint, **more)
        self.send_start(box, request)
        return request.instance_id

    def send_start(self, box, request):
        return self.connection.call("SandboxSupervisor.StartInstance", request, box.descriptors)

    def states(self, instance, within=120):
        request = w.sandbox.WatchInstanceRequest(instance_id=instance)
        return self.connection.stream("SandboxSupervisor.WatchInstance", request, deadline=within)

    def wait_ended(self, instance, within=120):
        state = None
        for state in self.states(instance, within):
            pass
        assert state is not None and state.phase == w.sandbox.PHASE_ENDED, state
        return state

    def wait_ready(self, instance, within=120):
        """The state in which it is ready, or ended."""
        phases = (w.sandbox.PHASE_READY, w.sandbox.PHASE_ENDED)
        states = self.states(instance, within)
        state = next(state for state in states if state.phase in phases)
        if state.phase == w.sandbox.PHASE_ENDED:
            raise AssertionError(f"ended before it was ready: {state}")
        # The watch goes on otherwise; its transaction is the last one made.
        self.connection.cancel("SandboxSupervisor.WatchInstance", self.connection.transactions)
        try:
            for _ in states:
                pass
        except w.Fault as fault:
            assert fault.code == "CANCELLED", fault
        return state

    def stop(self, instance, grace_ms=0):
        return self.connection.call("SandboxSupervisor.StopInstance", w.sandbox.StopInstanceRequest(
            instance_id=instance, grace_ms=grace_ms), deadline=120)

    def forget(self, instance):
        self.connection.call("SandboxSupervisor.ForgetInstance", w.sandbox.ForgetInstanceRequest(
            instance_id=instance))

    def list(self):
        return list(self.connection.stream(
            "SandboxSupervisor.ListInstances", w.sandbox.ListInstancesRequest()))

    def output(self, instance):
        """(stdout, stderr, dropped bytes) as kept so far."""
        streams = {w.sandbox.OUTPUT_STREAM_STDOUT: b"", w.sandbox.OUTPUT_STREAM_STDERR: b""}
        dropped = 0
        for item in self.connection.stream(
                "SandboxSupervisor.ReadOutput", w.sandbox.ReadOutputRequest(instance_id=instance)):
            streams[item.stream] += item.data
            dropped += item.dropped_bytes
        return (streams[w.sandbox.OUTPUT_STREAM_STDOUT], streams[w.sandbox.OUTPUT_STREAM_STDERR],
                dropped)

    def run(self, box, entrypoint, within=120, **more):
        """Starts it, waits for its end, forgets it: (end state, stdout, stderr, dropped bytes)."""
        instance = self.start(box, entrypoint, **more)
        try:
            state = self.wait_ended(instance, within)
            return (state, *self.output(instance))
        finally:
            self.stop(instance)
            self.forget(instance)


def now_ns():
    """The clock that an instance shares with the host."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)
