"""An agent that does what it should not: it carries out programs in Python, and in what else it finds."""

import json
import secrets
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulator.testing import bash, scripted

from tests.e2e.user import User

PYTHON = Path(sys.executable).resolve()  # the agents see it, wherever it lies
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


class Attacker:
    """One agent, in a session of its own."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.session_id = user.create()

    def put(self, program: str) -> str:
        """Lay a program into the workspace, and return the command that runs it."""
        path = f"/sessions/{self.session_id}/workspace/attack.py"
        self.user.http.put(path, content=(PRELUDE + program).encode()).raise_for_status()
        return f"{PYTHON} attack.py 2>&1"

    def run(self, program: str) -> Any:
        """Carry out a program in Python, and return what it prints, which is JSON."""
        return json.loads(self.bash(self.put(program)))

    def begin(self, program: str) -> str:
        """Carry out a program without waiting for it, and return the run."""
        message = scripted(bash(self.put(program)), {"text": "Done."})
        return self.user.submit(self.session_id, message).raise_for_status().json()["id"]

    @contextmanager
    def hold(self, program: str) -> Generator[Any]:
        """Carry out a program, and keep what it has until the context ends; yield its variable `result`."""
        name = secrets.token_hex(4)  # an attack may end its own agent, and what that leaves is not for the next one
        file = f"/sessions/{self.session_id}/workspace/{name}"
        run = self.begin(program + HOLD.replace("NAME", name))
        while (held := self.user.http.get(f"{file}.held")).status_code != 200:
            assert not self.user.run(self.session_id, run)["ended_at"]
        yield held.json()
        self.user.http.put(f"{file}.enough", content=b"").raise_for_status()
        self.user.ended(self.session_id, run)

    def bash(self, command: str) -> str:
        """Run a command, and return what it writes."""
        return self.user.bash(self.session_id, command)
