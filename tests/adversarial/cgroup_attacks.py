"""A service with sandboxes, as a program that is alone in its cgroup.

`attack` prints what hostile programs achieved, as JSON. `wait` starts a sandbox, prints its cgroup, and waits to be
killed. `find` prints the folder for the cgroups of sandboxes, or the reason that there is none; with the name of an
account, the own cgroup is divided for that account first.
"""

import asyncio
import json
import os
import pwd
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from sandbox import Program, Resources, Sandbox
from sandbox.bwrap_args import PYTHON
from sandbox.cgroups import Cgroups, divide_own_cgroup

MEMORY_BYTES, PROCESSES = 2**28, 64
# Shared memory does not count as data of a process, so that no limit of a process holds it.
ALLOCATE = """
import mmap, os
os.fork()
blocks = []
while len(blocks) < 64:
    blocks.append(mmap.mmap(-1, 2**24))
    blocks[-1].write(bytes(2**24))
"""
FILL = "import sys; file = open('/tmp/file', 'wb'); [file.write(bytes(2**24)) for _ in range(48)]"
FORK_BOMB = """
import os, signal, time
children = 0
try:
    while children < 1000:
        if os.fork() == 0:
            time.sleep(60)
        children += 1
except OSError as error:
    print(children, type(error).__name__, flush=True)
    os.kill(-1, signal.SIGKILL)
"""
LOOK = """
import os
print(open('/proc/self/cgroup').read().strip().splitlines()[-1], os.path.exists('/sys/fs/cgroup'))
"""


def program(code: str) -> Program:
    """Return a program in Python with small limits."""
    return Program(command=(str(PYTHON), "-c", code), resources=Resources(MEMORY_BYTES, PROCESSES))


async def run(sandbox: Sandbox, code: str) -> tuple[str, bool]:
    """Run a program; return what it prints, and whether it ran out of memory."""
    sandboxed = sandbox.prepare(program(code))
    process = await asyncio.create_subprocess_exec(sandboxed.entrypoint, stdout=PIPE)
    try:
        output, _ = await process.communicate()
        return output.decode().strip(), sandboxed.ran_out_of_memory()
    finally:
        await asyncio.to_thread(sandboxed.remove)


async def attack(sandbox: Sandbox) -> dict[str, Any]:
    """Attack the machine while another sandbox works; return the results by name."""
    attacks = {"allocate": ALLOCATE, "fill": FILL, "fork bomb": FORK_BOMB, "look": LOOK}
    async with asyncio.TaskGroup() as tasks:
        neighbour = tasks.create_task(run(sandbox, "import time; time.sleep(5); print('works')"))
        results: dict[str, Any] = {name: await run(sandbox, code) for name, code in attacks.items()}
    assert sandbox.cgroups
    left = [path.name for path in sandbox.cgroups.folder.glob("sandbox-*")]
    return {**results, "neighbour": neighbour.result(), "left": left}


async def wait(sandbox: Sandbox) -> None:
    """Start a sandbox with a detached process, and wait."""
    assert sandbox.cgroups
    sandboxed = sandbox.prepare(program("import time; time.sleep(600)"))
    await asyncio.create_subprocess_exec(sandboxed.entrypoint)
    await sandboxed.wait_started()
    [cgroup] = sandbox.cgroups.folder.glob("sandbox-*")
    print(cgroup, flush=True)  # noqa: T201
    await asyncio.Event().wait()


def find(account: str | None) -> None:
    """Find the folder for the cgroups of sandboxes."""
    if account:
        entry = pwd.getpwnam(account)
        divide_own_cgroup(owner=entry)
        os.setgroups([])
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    found, reason = Cgroups.find()
    print(found.folder if found else reason, Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2])  # noqa: T201


async def main(action: str) -> None:
    """Carry out the action in a sandbox."""
    sandbox, reason = await Sandbox.find()
    assert reason is None, reason
    if action == "wait":
        await wait(sandbox)
    else:
        print(json.dumps(await attack(sandbox)))  # noqa: T201


if __name__ == "__main__":
    action, *rest = sys.argv[1:]
    if action == "find":
        find(rest[0] if rest else None)
    else:
        asyncio.run(main(action))
