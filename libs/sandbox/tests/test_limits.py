"""The limits of a sandbox: memory, processes, inotify, and files in memory."""

import asyncio
import os
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from unittest.mock import Mock

import pytest
from runtime.files.erasing import erase
from sandbox import Program, Resources, Sandbox
from sandbox.bwrap_args import PYTHON
from sandbox.cgroups import Cgroup, Cgroups
from sandbox.namespace import INOTIFY_INSTANCES, MEMORY_FOLDERS
from structlog.testing import capture_logs

from libs.sandbox.tests.running import output_of, shell, started

INOTIFY = """
import ctypes, errno, sys
libc, opened = ctypes.CDLL(None, use_errno=True), 0
while opened < 1000 and libc.inotify_init() >= 0:
    opened += 1
print(opened, errno.errorcode[ctypes.get_errno()])
"""
FILES = """
import errno, sys
made = 0
try:
    while made < 1_000_000:
        open(f"{sys.argv[1]}/{made}", "w").close()
        made += 1
except OSError as error:
    print(made, errno.errorcode[error.errno])
"""
ALLOCATE = """
blocks = []
try:
    while len(blocks) < 64:
        blocks.append(bytearray(2**24))
except MemoryError:
    pass
print(len(blocks) * 16)
"""


def python(code: str, *arguments: str, memory_bytes: int = Resources.memory_bytes) -> Program:
    """Return a program in Python."""
    return Program(command=(str(PYTHON), "-c", code, *arguments), resources=Resources(memory_bytes=memory_bytes))


async def test_inotify_instances_of_a_sandbox_are_limited(sandbox: Sandbox) -> None:
    assert await output_of(sandbox, python(INOTIFY)) == f"{INOTIFY_INSTANCES} EMFILE"


async def test_a_sandbox_cannot_change_its_limit_of_inotify_instances(sandbox: Sandbox) -> None:
    setting = "/proc/sys/user/max_inotify_instances"
    assert "Read-only file system" in await output_of(sandbox, f"echo 99 > {setting}")


async def test_the_number_of_files_in_memory_is_limited(sandbox: Sandbox) -> None:
    [most] = [memory.max_files for memory in MEMORY_FOLDERS if memory.target == "/dev/shm"]
    made, error = (await output_of(sandbox, python(FILES, "/dev/shm"))).split()
    assert (int(made) <= most, error) == (True, "ENOSPC")


async def test_every_file_system_in_memory_has_a_limit_of_files(sandbox: Sandbox) -> None:
    output = await output_of(sandbox, f"df --output=itotal {' '.join(memory.target for memory in MEMORY_FOLDERS)}")
    assert output.split()[1:] == [str(memory.max_files) for memory in MEMORY_FOLDERS]


async def test_without_cgroups_the_memory_of_a_process_is_limited(sandbox: Sandbox) -> None:
    limited = Sandbox(sandbox.bwrap, sandbox.namespace)
    assert int(await output_of(limited, python(ALLOCATE, memory_bytes=2**28))) in range(64, 256)


async def test_a_lower_limit_of_the_service_stays(sandbox: Sandbox) -> None:
    sandboxed = Sandbox(sandbox.bwrap, sandbox.namespace).prepare(shell("ulimit -d"))
    command = ["/bin/sh", "-c", 'ulimit -d 3000000 && exec "$0"', sandboxed.entrypoint]
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE)
    output, _ = await process.communicate()
    await asyncio.to_thread(sandboxed.remove)
    assert output.decode().strip() == "3000000"


async def test_without_a_namespace_a_sandbox_works(sandbox: Sandbox) -> None:
    assert await output_of(Sandbox(sandbox.bwrap), "touch /tmp/made && ls /tmp/made") == "/tmp/made"


async def test_the_limits_that_hold_are_logged(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cgroups, "find", lambda: (None, "the reason"))
    with capture_logs() as logs:
        await Sandbox.find()
    [line] = [line for line in logs if line["event"] == "limits of sandboxes"]
    assert "memory of each process" in line["enforced"]
    assert line["missing"]["memory of a sandbox"].startswith("the reason; delegate a cgroup")


async def test_an_older_kernel_has_no_limit_of_processes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.COUNTS_BY_NAMESPACE", False)
    monkeypatch.setattr(Cgroups, "find", lambda: (None, "the reason"))
    with capture_logs() as logs:
        await Sandbox.find()
    [line] = [line for line in logs if line["event"] == "limits of sandboxes"]
    assert "use Linux 5.14" in line["missing"]["processes"]
    unlimited = await output_of(Sandbox(sandbox.bwrap), "ulimit -u")
    assert unlimited != str(Resources.processes)


def erase_files(cgroup: Cgroup) -> None:
    """Remove what stands in for a cgroup."""
    erase(cgroup.folder)


@pytest.mark.parametrize("broken", ["sandbox.SandboxedProcess", "sandbox.bwrap_args", "sandbox.json.dumps"])
def test_a_sandbox_that_cannot_be_prepared_leaves_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr(Cgroup, "remove", erase_files)
    monkeypatch.setattr(broken, Mock(side_effect=OSError("disk full")))
    with tempfile.TemporaryDirectory() as cgroups, tempfile.TemporaryDirectory() as folders:
        monkeypatch.setattr(tempfile, "tempdir", folders)
        with pytest.raises(OSError, match="disk full"):
            Sandbox(sandbox.bwrap, sandbox.namespace, Cgroups(Path(cgroups))).prepare(shell("true"))
        assert [*Path(cgroups).iterdir(), *Path(folders).iterdir()] == []


@pytest.mark.skipif(not Path("/usr/bin/javac").exists(), reason="there is no Java")
async def test_java_works(sandbox: Sandbox) -> None:
    source = "class A { public static void main(String[] a) { System.out.println(6 * 7); } }"
    assert await output_of(Sandbox(sandbox.bwrap, sandbox.namespace), f"echo '{source}' > A.java; java A.java") == "42"


async def test_an_unusable_namespace_is_logged_and_left_out(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.namespace.INOTIFY_INSTANCES", "many")
    with capture_logs() as logs:
        found, reason = await Sandbox.find()
    [line] = [line for line in logs if line["event"] == "limits of sandboxes"]
    assert (found.namespace, reason) == (None, None)
    assert "allow nested user namespaces" in line["missing"]["inotify, number of files in memory"]


AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
NICENESS = "import os; print(os.nice(0), flush=True); os.setpriority(os.PRIO_PROCESS, 0, os.nice(0) - 1)"


async def test_a_program_has_a_low_priority_and_cannot_raise_it(sandbox: Sandbox) -> None:
    niceness, *error = (await output_of(sandbox, python(NICENESS))).splitlines()
    assert (int(niceness), "PermissionError" in error[-1]) == (min(19, os.nice(0) + 20), True)


async def test_what_sets_up_and_watches_a_sandbox_yields_to_the_service(sandbox: Sandbox) -> None:
    assert await output_of(sandbox, "cut -d' ' -f19 /proc/1/stat") == str(min(19, os.nice(0) + 10))


@pytest.mark.skipif(not (AUTOGROUPS.exists() and "1" in AUTOGROUPS.read_text()), reason="sessions are not scheduled")
async def test_where_the_kernel_schedules_sessions_their_priority_is_low(sandbox: Sandbox) -> None:
    wait = "until grep -q 'nice 10' /proc/self/autogroup; do sleep 0.1; done; echo low"
    async with started(sandbox, shell(f'setsid sh -c "{wait}" & {wait}; wait')) as (sandboxed, process):
        await sandboxed.wait_started()  # also before the first heartbeat
        assert (await process.communicate())[0] == b"low\nlow\n"


async def test_the_size_of_a_file_is_limited(sandbox: Sandbox, open_folder: Path) -> None:
    program = Program(
        command=("sh", "-c", "head -c 20K /dev/zero > file; truncate -s 1T sparse; wc -c < file"),
        workspace=open_folder,
        resources=Resources(file_bytes=10_000),
    )
    output = (await output_of(sandbox, program)).splitlines()
    assert (output[-1], ["File too large" in line for line in output[:-1]]) == ("10000", [True, True])
