"""Programs that do what they should not, in Python and in what else is there: of an agent, or alone in its sandbox."""

import json
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onebox.testing.system import System
from sandbox import Program, Resources, Sandbox
from simulator.testing import bash, scripted

from tests.e2e.user import User

PYTHON = Path(sys.executable).resolve()  # the agents see it, wherever it lies
ATTACK = f"{PYTHON} attack.py 2>&1"
LIMITS = Resources(memory_bytes=2**30, processes=128)
# Numbers of system calls by the kind of machine; all of the architectures since 5.1 share those above 424.
PRELUDE = """
import ctypes, errno, json, os, platform, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
first = platform.machine() == "x86_64"
NUMBERS = {
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "io_uring_setup": (425, 425), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "syslog": (103, 116), "unshare": (272, 97), "openat2": (437, 437),
}
def call(name, *arguments):
    ctypes.set_errno(0)
    given = libc.syscall(NUMBERS[name][0 if first else 1], *arguments)
    return given if given != -1 else errno.errorcode[ctypes.get_errno()]
def attempt(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "succeeded"
"""


HOLD = """
import time
with open("NAME.part", "w") as file:
    json.dump(result, file)
os.rename("NAME.part", "NAME.held")
until = time.monotonic() + 60
while not os.path.exists("NAME.enough") and time.monotonic() < until:
    time.sleep(0.05)
"""


class Attacker(ABC):
    """A client that carries out programs where agents do.

    Attributes:
        workspace: the folder of the programs.
    """

    workspace: Path

    @abstractmethod
    def put(self, content: bytes) -> None:
        """Lay the program `attack.py` into the workspace."""

    @abstractmethod
    def bash(self, command: str) -> str:
        """Run a command, and return what it writes."""

    @abstractmethod
    def begin(self, command: str) -> Callable[[], bool]:
        """Run a command without waiting for it, and return a function that says whether it has ended."""

    def run(self, program: str) -> Any:
        """Carry out a program in Python, and return what it prints, which is JSON."""
        self.put((PRELUDE + program).encode())
        return json.loads(self.bash(ATTACK))

    @contextmanager
    def hold(self, program: str) -> Generator[Any]:
        """Carry out a program, and keep what it has until the context ends; yield its variable `result`."""
        name = secrets.token_hex(4)  # an attack may end its own agent, and what that leaves is not for the next one
        held, enough = (self.workspace / f"{name}.{state}" for state in ("held", "enough"))
        self.put((PRELUDE + program + HOLD.replace("NAME", name)).encode())
        has_ended = self.begin(ATTACK)
        while not held.exists():
            assert not has_ended()
            time.sleep(0.05)
        try:
            yield json.loads(held.read_text())
        finally:
            enough.touch()
            while not has_ended():
                time.sleep(0.05)


class Agent(Attacker):
    """An agent of a whole system, in a session of its own."""

    def __init__(self, user: User, system: System) -> None:
        self.user = user
        self.session_id = user.create()
        self.workspace = system.data_dir / "workspaces" / self.session_id

    def put(self, content: bytes) -> None:
        path = f"/sessions/{self.session_id}/workspace/attack.py"
        self.user.http.put(path, content=content).raise_for_status()

    def bash(self, command: str) -> str:
        return self.user.bash(self.session_id, command)

    def begin(self, command: str) -> Callable[[], bool]:
        message = scripted(bash(command), {"text": "Done."})
        run = self.user.submit(self.session_id, message).raise_for_status().json()["id"]
        return lambda: bool(self.user.run(self.session_id, run)["ended_at"])


class Alone(Attacker):
    """Programs in the sandbox of agents, without an agent; each command has a sandbox of its own."""

    def __init__(self, sandbox: Sandbox, workspace: Path) -> None:
        self.sandbox, self.workspace = sandbox, workspace

    def put(self, content: bytes) -> None:
        (self.workspace / "attack.py").write_bytes(content)

    def bash(self, command: str) -> str:
        with self._started(command) as process:
            return process.communicate(timeout=120)[0].strip()

    def begin(self, command: str) -> Callable[[], bool]:
        started = self._started(command)
        process = started.__enter__()

        def has_ended() -> bool:
            if process.poll() is None:
                return False
            started.__exit__(None, None, None)
            return True

        return has_ended

    @contextmanager
    def _started(self, command: str) -> Generator["subprocess.Popen[str]"]:
        program = Program(command=("/bin/bash", "-c", command), workspace=self.workspace, resources=LIMITS)
        sandboxed = self.sandbox.prepare(program)
        try:
            with subprocess.Popen(
                [sandboxed.entrypoint],
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process:
                yield process
        finally:
            sandboxed.remove()
