"""What a program in a sandbox sees, and how it ends."""

import asyncio
import errno
import os
import socket
import stat
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from contextlib import AsyncExitStack
from pathlib import Path
from unittest.mock import Mock

import pytest
from runtime.testing import background, eventually
from sandbox import Heartbeats, Program, Resources, Sandbox
from sandbox.bwrap_args import PYTHON

from libs.sandbox.tests.running import output_of, shell, started

# Opens them only. The host's root is judged by the user id that the sandbox maps, whatever its capabilities.
WRITABLE_SETTINGS = """
import os
opened, files = 0, [os.path.join(folder, name) for folder, _, names in os.walk("/proc/sys") for name in names]
for path in files:
    try:
        os.close(os.open(path, os.O_WRONLY))
        opened += 1
    except OSError:
        pass
print(opened, "of many" if len(files) > 100 else files)
"""


async def test_an_unavailable_sandbox_reports_the_reason() -> None:
    assert await Sandbox(Path("/bin/false")).unavailable() == "the sandbox ended with status 1"


async def test_a_kernel_without_descriptors_of_processes_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox._bwrap", lambda: Path("/bin/true"))
    monkeypatch.setattr("sandbox.has_process_descriptors", lambda: False)
    sandbox, reason = await Sandbox.find()
    assert not sandbox.confines
    assert reason == "the kernel has no descriptors of processes (pidfd_open): use Linux 5.3 or later"


async def test_a_folder_of_temporary_files_without_programs_is_the_reason(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def keep_mode(*_: object) -> None:
        """Like a file system that is mounted with noexec."""

    monkeypatch.setattr(Path, "chmod", keep_mode)
    reason = f"no file in {tmp_path} can be executed: mount it with the option exec"
    assert await sandbox.unavailable() == reason


async def test_a_cancelled_probe_of_a_sandbox_has_ended(tmp_path: Path) -> None:
    hanging, pid = tmp_path / "hanging", tmp_path / "pid"
    hanging.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid}\nexec sleep 7671\n")
    hanging.chmod(0o700)
    async with background(Sandbox(hanging).unavailable()):
        await eventually(pid.exists)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_program_sees_only_its_own_variables_and_a_few_defaults(sandbox: Sandbox) -> None:
    program = Program(command=("env",), variables={"TOKEN": "x"}, home_variables={"CONFIG": ".config"})
    names = {line.partition("=")[0] for line in (await output_of(sandbox, program)).splitlines()}
    assert names == {"PATH", "LANG", "HOME", "PWD", "IS_SANDBOX", "TOKEN", "CONFIG", "LC_CTYPE"}


async def test_a_program_without_a_workspace_works_in_its_home(sandbox: Sandbox) -> None:
    assert await output_of(sandbox, "pwd; touch made && ls made; ls /workspace 2>&1") == (
        "/home\nmade\nls: cannot access '/workspace': No such file or directory"
    )


async def test_a_program_reads_and_writes_its_workspace(sandbox: Sandbox, open_folder: Path) -> None:
    assert await output_of(sandbox, "pwd; touch made", workspace=open_folder) == "/workspace"
    assert (open_folder / "made").exists()


async def test_a_read_only_workspace_cannot_be_written_to(sandbox: Sandbox, open_folder: Path) -> None:
    (open_folder / "text").write_text("seen")
    output = await output_of(sandbox, "cat text; touch made", workspace=open_folder, writable=False)
    assert (output.startswith("seen"), "Read-only file system" in output) == (True, True)


async def test_a_program_reads_further_paths_that_it_is_given(sandbox: Sandbox, open_folder: Path) -> None:
    (open_folder / "text").write_text("seen")
    command = f"cat {open_folder}/text"
    assert await output_of(sandbox, command, readable=(open_folder,)) == "seen"
    assert "No such file" in await output_of(sandbox, command)


async def test_kernel_settings_are_read_only_even_for_the_hosts_root(sandbox: Sandbox) -> None:
    output = await output_of(sandbox, Program(command=(str(PYTHON), "-c", WRITABLE_SETTINGS)))
    assert output == "0 of many"


async def test_an_unknown_command_is_named(sandbox: Sandbox) -> None:
    assert await output_of(sandbox, Program(command=("no-such-program",))) == (
        "no-such-program: No such file or directory"
    )


async def test_the_number_of_processes_is_limited(sandbox: Sandbox) -> None:
    assert (
        await output_of(sandbox, Program(command=("bash", "-c", "ulimit -u"), resources=Resources(processes=20)))
        == "20"
    )


async def test_a_program_without_a_listener_sends_none(sandbox: Sandbox) -> None:
    async with started(sandbox, shell("sleep 60")) as (sandboxed, _):
        assert await sandboxed.wait_started() is None
        assert sandboxed.alive()


async def test_a_program_that_is_not_confined_needs_no_descriptor_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(Sandbox(None), shell("echo started")) as (sandboxed, process):
        monkeypatch.setattr("sandbox.process.has_process_descriptors", lambda: False)
        monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=OSError(errno.ENOSYS, "Function not implemented")))
        assert await sandboxed.wait_started() is None
        assert await process.communicate() == (b"started\n", None)


async def test_a_program_that_ends_before_its_start_is_noticed_has_ended(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(sandbox, shell("exit 3")) as (sandboxed, process):
        assert await process.wait() == 3
        monkeypatch.setattr(os, "pidfd_open", Mock(side_effect=ProcessLookupError))  # the machine's init has reaped it
        assert await sandboxed.wait_started() is None
        await sandboxed.wait_ended()
        assert not sandboxed.alive()


async def test_the_listener_is_served_outside_of_the_sandbox(sandbox: Sandbox) -> None:
    script = "exec 3<>/dev/tcp/${ADDRESS#http://127.0.0.1:}".replace("/dev/tcp/", "/dev/tcp/127.0.0.1/")
    program = Program(command=("bash", "-c", f"{script}; cat <&3"), listener_variables=("ADDRESS",))
    async with started(sandbox, program) as (sandboxed, process):
        listener = await sandboxed.wait_started()
        assert listener
        with listener:
            connection, _ = await asyncio.to_thread(listener.accept)
        connection.sendall(b"from outside")
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        assert (await process.communicate())[0] == b"from outside"


async def test_killing_the_first_process_ends_detached_children_too(sandbox: Sandbox) -> None:
    async with started(sandbox, shell("setsid sleep 61 & exec sleep 62")) as (sandboxed, process):
        await sandboxed.wait_started()
        sandboxed.kill()
        await sandboxed.wait_ended()
        assert await process.communicate() == (b"", None)  # at the end of the output: every holder of it has ended


PROGRAMS = {
    "waits": "exec sleep 60",
    "kills all it can": "for p in /proc/[0-9]*; do [ ${p#/proc/} = $$ ] || kill -9 ${p#/proc/}; done; exec sleep 60",
    "leaves orphans, which have to be released": "while true; do (true &); sleep 0.01; done",
}


async def test_programs_are_killed_when_heartbeats_stop(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.heartbeats.HEARTBEAT_SECONDS", 0.1)
    async with AsyncExitStack() as stack:
        running = {
            name: await stack.enter_async_context(started(sandbox, shell(script))) for name, script in PROGRAMS.items()
        }
        sandboxes = [sandboxed for sandboxed, _ in running.values()]
        await asyncio.gather(*(sandboxed.wait_started() for sandboxed in sandboxes))
        heartbeats = Heartbeats(owned := Mock(return_value=sandboxes))
        heartbeats.start()
        await eventually(lambda: owned.call_count > 2)
        heartbeats.stop()
        assert {name: await process.wait() for name, (_, process) in running.items()} == dict.fromkeys(PROGRAMS, 137)


async def test_initial_files_are_copied_to_the_home(sandbox: Sandbox) -> None:
    sandboxed = sandbox.prepare(shell("cat $HOME/folder/text"))
    (sandboxed.initial_home / "folder").mkdir(parents=True)
    (sandboxed.initial_home / "folder" / "text").write_text("copied")
    process = await asyncio.create_subprocess_exec(sandboxed.entrypoint, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"copied"
    await asyncio.to_thread(sandboxed.remove)


@pytest.mark.parametrize("content", [None, b"", b"not a filter"], ids=["missing", "empty", "invalid"])
async def test_a_program_does_not_run_if_its_system_calls_cannot_be_filtered(
    sandbox: Sandbox, content: bytes | None
) -> None:
    async with AsyncExitStack() as stack:
        sandboxed = sandbox.prepare(shell("echo begun"))
        stack.push_async_callback(asyncio.to_thread, sandboxed.remove)
        steps = sandboxed.runtime_dir / "filter"
        steps.unlink() if content is None else steps.write_bytes(content)
        process = await asyncio.create_subprocess_exec(sandboxed.entrypoint, stdout=PIPE, stderr=STDOUT)
        output, _ = await process.communicate()
        assert (process.returncode, b"begun" in output, b"filter" in output) == (1, False, True)


KILL_ALL = "trap '' TERM HUP; for signal in KILL STOP INT TERM CHLD HUP; do kill -$signal 1; done"
OPEN = "(: 3<>/proc/1/mem) || echo closed; readlink /proc/1/fd/* || echo closed"


async def test_no_process_of_a_sandbox_ends_or_opens_the_first_one(sandbox: Sandbox) -> None:
    async with started(sandbox, shell(f"{KILL_ALL}; ({OPEN}) 2>/dev/null; echo alive")) as (_, process):
        assert (await process.communicate())[0].split() == [b"closed", b"closed", b"alive"]


async def test_a_signal_that_ends_a_program_is_its_exit_status(sandbox: Sandbox) -> None:
    async with started(sandbox, shell("kill -TERM $$")) as (_, process):
        assert await process.wait() == 128 + 15


async def test_a_new_workspace_is_closed_to_other_accounts(sandbox: Sandbox, open_folder: Path) -> None:
    await output_of(sandbox, "true", workspace=open_folder / "new")
    assert stat.S_IMODE((open_folder / "new").stat().st_mode) == 0o700
