"""What is left in a sandbox when its program is to be idle again."""

import pytest
from sandbox import Program, Remains, Sandbox
from sandbox.bwrap_args import PYTHON

from libs.sandbox.tests.running import started

MEBIBYTES = 2**20
IDLE = "print('idle', flush=True)\nwhile True: time.sleep(60)\n"
BIG = f"b'x' * {16 * MEBIBYTES}"
MEMORY = {
    "a file in /tmp": f"open('/tmp/file', 'wb').write({BIG})",
    "a removed file": f"file = open('/home/file', 'wb'); file.write({BIG}); file.flush(); os.unlink('/home/file')",
    "empty files": "[open(f'/home/{number}', 'w').close() for number in range(16_384)]",
    "an anonymous file": f"os.write(os.memfd_create('x'), {BIG})",
    "its own memory": f"kept = {BIG}",
    "a shared segment": "libc.shmat.restype = ctypes.c_void_p\n"
    f"ctypes.memset(libc.shmat(libc.shmget(0, {16 * MEBIBYTES}, 0o1600), None, 0), 1, {16 * MEBIBYTES})",
}
DETACHED = {
    "a child": "subprocess.Popen(['sleep', '600'])",
    "a detached child": "subprocess.Popen(['sleep', '600'], start_new_session=True)",
    "an orphan": "subprocess.run('(nohup setsid sleep 600 &)', shell=True)",
    "a busy loop": "subprocess.Popen(['sh', '-c', 'while true; do :; done'])",
    "a fork storm": "subprocess.Popen(['sh', '-c', 'trap \"\" TERM; while true; do (sleep 600 &); done'])",
}


def python(code: str) -> Program:
    """Return a program in Python that waits for its children."""
    imports = "import ctypes, os, signal, subprocess, time\nlibc = ctypes.CDLL(None)\n"
    return Program(
        command=(str(PYTHON), "-c", f"{imports}signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{code}\n{IDLE}")
    )


async def remains_of(sandbox: Sandbox, program: Program) -> Remains:
    """Run a program until it is idle, and end its children."""
    async with started(sandbox, program) as (sandboxed, process):
        await sandboxed.wait_started()
        assert process.stdout
        assert await process.stdout.readline() == b"idle\n"
        remains = await sandboxed.end_children()
        assert sandboxed.alive()
        return remains


async def test_an_idle_program_takes_little_memory(sandbox: Sandbox) -> None:
    remains = await remains_of(sandbox, python(""))
    assert (remains.processes, remains.memory_bytes in range(MEBIBYTES, 14 * MEBIBYTES)) == (0, True)


@pytest.mark.parametrize("what", MEMORY)
async def test_memory_that_a_program_keeps_is_counted(sandbox: Sandbox, what: str) -> None:
    assert (await remains_of(sandbox, python(MEMORY[what]))).memory_bytes > 16 * MEBIBYTES


@pytest.mark.parametrize("what", DETACHED)
async def test_no_child_outlives_the_end_of_children(sandbox: Sandbox, what: str) -> None:
    assert (await remains_of(sandbox, python(DETACHED[what]))).processes == 0


async def test_children_that_a_program_does_not_wait_for_are_counted(sandbox: Sandbox) -> None:
    assert (
        await remains_of(sandbox, python("signal.signal(17, signal.SIG_DFL)\nos.fork() or os._exit(0)"))
    ).processes == 1


async def test_ending_the_children_of_a_program_that_has_ended_fails(sandbox: Sandbox) -> None:
    async with started(sandbox, python("os._exit(0)")) as (sandboxed, process):
        await sandboxed.wait_started()
        await process.wait()
        with pytest.raises(OSError, match=r"ended|reset|[Pp]ipe"):
            await sandboxed.end_children()
