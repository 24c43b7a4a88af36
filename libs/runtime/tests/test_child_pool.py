"""Children answer requests within limits; what exceeds them, or kills them, affects no other request."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from onebox.testing.cases import every_case
from runtime.children import process as child_process
from runtime.children.pool import ChildNotStarted, ChildPool, ChildUnavailable, LimitExceeded, Limits
from runtime.testing import background, eventually
from structlog.testing import capture_logs

pytestmark = pytest.mark.usefixtures("servers")

PROGRAM = Path(__file__).with_name("answering_child.py")
OWNER = Path(__file__).with_name("pool_owner.py")
SLOW_START = """
import os, pathlib, time
folder = pathlib.Path(os.environ["FOLDER"])
(folder / "starting").touch(exist_ok=False)
time.sleep(0.1)
(folder / "starting").unlink()
(folder / str(os.getpid())).touch()
from runtime.children.program import serve
serve(str)
"""

MIB = 1024 * 1024
WALL_SECONDS = 150
"""Beside many programs, a child, which has a low priority, may need a minute for a second of processor time."""


@pytest_asyncio.fixture
async def pool() -> AsyncGenerator[ChildPool]:
    async with ChildPool.open(PROGRAM, Limits(wall_seconds=WALL_SECONDS)) as pool:
        yield pool


def one_child(**limits: Any) -> Any:
    return ChildPool.open(PROGRAM, Limits(**{"wall_seconds": WALL_SECONDS, **limits}), children=1, max_requests=3)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children() -> list[int]:
    """Return the running children of pools. Servers that fixtures of other tests started are children too."""
    pids = [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    return [pid for pid in pids if is_running(pid) and PROGRAM.name in command(pid)]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@every_case("value", [None, {"a": [1, 2.5, "ü\ud800\0"]}, "x" * 300_000])
async def test_a_reply_is_any_json_value(pool: ChildPool, value: Any) -> None:
    assert await pool.run(["echo", value]) == value


async def test_what_a_library_prints_is_a_value_in_the_log() -> None:
    with capture_logs() as logged:
        async with one_child() as pool:
            await pool.run(["echo", None])
    assert [line["output"] for line in logged if "output" in line] == ["printed by a library\n"]


async def test_a_child_that_prints_without_end_fills_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "MAX_LOGGED_BYTES", 10)
    with capture_logs() as logged:
        async with one_child() as pool:
            for _ in range(5):
                await pool.run(["echo", None])
    assert "".join(line.get("output", "") for line in logged) == "printed by"


async def test_concurrent_requests_get_their_own_replies(pool: ChildPool) -> None:
    replies = await asyncio.gather(*(pool.run(["echo", number]) for number in range(50)))
    assert replies == list(range(50))


@every_case(
    "request_, reason",
    [
        (["power_tower", 9], "it used too much CPU time"),
        (["allocate", 300 * MIB], "it used too much memory"),
        (["end", 1], "it ended the process with status 1"),
        (["echo", "x" * 4 * MIB], "its reply has more than 4,194,304 bytes"),
    ],
)
async def test_a_request_over_a_limit_fails_and_the_next_ones_do_not(
    pool: ChildPool, request_: list[Any], reason: str
) -> None:
    with pytest.raises(LimitExceeded, match=rf"^{reason}$"):
        await pool.run(request_)
    assert await asyncio.gather(*(pool.run(["echo", number]) for number in range(5))) == [0, 1, 2, 3, 4]


async def test_memory_within_the_limit_is_available() -> None:
    async with one_child(cpu_seconds=60) as pool:  # a busy machine may need the usual second to fill it
        assert await pool.run(["allocate", 200 * MIB]) == 200 * MIB


async def test_the_limits_count_for_each_request_separately() -> None:
    async with one_child(cpu_seconds=0.5) as pool:  # much more than each uses: a machine may count time that it paused
        for _ in range(6):
            assert await pool.run(["use_cpu", 0.1]) == "done"


async def test_a_child_that_does_not_reply_is_replaced() -> None:
    async with one_child(wall_seconds=1) as pool:
        with pytest.raises(ChildUnavailable, match="within 1 s"):
            await pool.run(["wait", None])
        await eventually(lambda: _replies(pool))


async def _replies(pool: ChildPool) -> bool:
    with suppress(ChildUnavailable):  # a busy machine may take longer than that to start a child
        return await pool.run(["echo", 1]) == 1
    return False


async def test_more_requests_than_allowed_are_refused_immediately() -> None:
    async with one_child() as pool, background(*(pool.run(["wait", None]) for _ in range(3))):
        await asyncio.sleep(0)
        with pytest.raises(ChildUnavailable, match="Too many"):
            await pool.run(["echo", 1])


async def test_keys_take_turns() -> None:
    order = list[str]()

    async def echo(key: str) -> None:
        await pool.run(["echo", 1], key=key)
        order.append(key)

    async with ChildPool.open(PROGRAM, Limits(wall_seconds=WALL_SECONDS), children=1) as pool:
        await asyncio.gather(*map(echo, "aaaabb"))
    assert "".join(order) == "ababaa"


async def test_a_key_has_at_most_half_of_the_requests() -> None:
    async with ChildPool.open(PROGRAM, Limits(wall_seconds=WALL_SECONDS), max_requests=4) as pool:
        requests = [pool.run(["echo", 1], key=key) for key in "aaabb"]
        replies = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(reply) for reply in replies] == [int, int, ChildUnavailable, int, int]


async def test_a_cancelled_request_frees_its_place() -> None:
    async with ChildPool.open(PROGRAM, Limits(wall_seconds=WALL_SECONDS), max_requests=1) as pool:
        async with background(pool.run(["wait", None])):
            await asyncio.sleep(0)
        assert await pool.run(["echo", 1]) == 1


async def test_a_request_that_is_cancelled_while_it_waits_is_not_executed() -> None:
    async with one_child() as pool:
        pid = await pool.run(["pid", None])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pool.run(["use_cpu", 0.1]))
            await asyncio.sleep(0)
            async with background(pool.run(["end", 1])):
                await asyncio.sleep(0)
        assert await pool.run(["pid", None]) == pid


async def test_a_request_whose_child_was_killed_is_repeated(tmp_path: Path) -> None:
    async with one_child(open_files=64) as pool, asyncio.TaskGroup() as tasks:
        pid = await pool.run(["pid", None])
        repeated = tasks.create_task(pool.run(["wait_once", str(tmp_path / "started")]))
        await eventually((tmp_path / "started").exists)
        os.kill(pid, signal.SIGKILL)
        assert await repeated == "repeated"


async def test_a_request_whose_child_is_killed_twice_fails() -> None:
    async with one_child() as pool:
        with pytest.raises(ChildUnavailable, match="killed"):
            await pool.run(["end", 0])
        assert await pool.run(["echo", 1]) == 1


async def test_a_child_that_is_killed_while_idle_is_replaced() -> None:
    async with one_child() as pool:
        os.kill(pid := await pool.run(["pid", None]), signal.SIGKILL)
        assert await eventually(lambda: len(children()) == 1 and pid not in children())


async def test_requests_are_answered_after_all_children_were_killed(pool: ChildPool) -> None:
    await eventually(lambda: len(children()) == 2)
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    assert await pool.run(["echo", 1]) == 1


async def test_children_on_demand_start_with_the_first_request() -> None:
    async with (
        ChildPool.open(PROGRAM, Limits(wall_seconds=WALL_SECONDS), children=1, on_demand=True) as pool,
        one_child() as other,
    ):
        await other.run(["echo", 1])
        assert len(children()) == 1
        await pool.run(["echo", 1])
        assert len(children()) == 2


async def test_children_start_one_after_the_other(tmp_path: Path) -> None:
    (program := tmp_path / "program.py").write_text(SLOW_START)
    environment = {"FOLDER": str(tmp_path)}
    with capture_logs() as logged:
        async with ChildPool.open(program, Limits(wall_seconds=WALL_SECONDS), children=3, environment=environment):
            await eventually(lambda: len([*tmp_path.glob("[0-9]*")]) == 3)
    assert logged == []


async def test_requests_fail_when_no_child_can_be_started(tmp_path: Path) -> None:
    with capture_logs() as logged:
        async with ChildPool.open(tmp_path / "missing.py", Limits(wall_seconds=WALL_SECONDS)) as pool:
            with pytest.raises(ChildNotStarted):
                await pool.run(["echo", 1])
    assert "child processes cannot be started" in [line["event"] for line in logged if line["log_level"] == "error"]


async def test_a_child_has_a_lower_priority_than_its_service(pool: ChildPool) -> None:
    assert await pool.run(["priority", None]) == min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)


@pytest.mark.parametrize("is_killed", [False, True])
async def test_temporary_files_of_a_child_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with one_child(open_files=64) as pool:
        folder = await pool.run(["leave_files", None])
        assert Path(folder).parent == tmp_path
        if is_killed:
            os.kill(await pool.run(["pid", None]), signal.SIGKILL)
            await eventually(lambda: not Path(folder).exists())
    assert await eventually(lambda: not any(tmp_path.iterdir()))


async def test_a_child_gets_no_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db")
    async with one_child() as pool:
        assert set(await pool.run(["environment", None])) <= {"LANG", "LC_CTYPE"}


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_child_inherits_no_open_file_or_socket(run: Any) -> None:
    async def count() -> int:
        async with one_child(open_files=64) as pool:
            return len(await pool.run(["open_files", None]))

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        assert run(count()) == 5  # standard streams, the replies, and the folder that is listed


async def test_a_child_can_open_no_file(pool: ChildPool) -> None:
    assert await pool.run(["open_file", "/etc/hostname"]) == "Too many open files"


async def test_closing_the_pool_ends_children_and_requests() -> None:
    async with asyncio.TaskGroup() as tasks:
        async with one_child(open_files=64) as pool:
            pid = await pool.run(["pid", None])
            waiting = tasks.create_task(_fails(pool.run(["wait", None])))
            await asyncio.sleep(0)
        assert not is_running(pid)
        await asyncio.wait([waiting])


async def _fails(work: Any) -> None:
    with pytest.raises(ChildUnavailable, match="closed"):
        await work


@pytest.mark.parametrize("state", ["idle", "busy"])
async def test_no_child_stays_when_the_parent_is_killed(state: str) -> None:
    owner = await asyncio.create_subprocess_exec(sys.executable, OWNER, state, stdout=subprocess.PIPE)
    assert owner.stdout
    child = int(await owner.stdout.readline())
    assert is_running(child)
    owner.kill()
    await owner.communicate()
    await eventually(lambda: not is_running(child))
