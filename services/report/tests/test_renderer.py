"""Rendering in child processes: what exceeds a limit fails its own report only."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import pytest
from contracts.refusals import Code
from eventing.reactions.jobs import JobFailed
from eventing.testing import background, eventually
from report import renderer as renderer_module
from report.renderer import NotRendered, Renderer
from report.rendering.rendered import Rendered

pytestmark = pytest.mark.usefixtures("servers")

PROGRAM = Path(__file__).with_name("odd_child.py")


@pytest.fixture
async def renderer() -> AsyncGenerator[Renderer]:
    async with limited(seconds=60) as renderer:
        yield renderer


def limited(seconds: float, workers: int = 1) -> AbstractAsyncContextManager[Renderer]:
    return Renderer.open(workers=workers, seconds=seconds, memory_bytes=256 * 2**20, program=PROGRAM)


async def render(renderer: Renderer, folder: Path, title: str) -> tuple[Rendered, str]:
    content, output = folder / f"{title}.json", folder / f"{title}.out"
    await asyncio.to_thread(content.write_text, json.dumps({"title": title}))
    rendered = await renderer.render(content, "html", output)
    return rendered, await asyncio.to_thread(output.read_text)


async def renders(renderer: Renderer, folder: Path) -> bool:
    """Return whether a report was rendered; on a busy machine, the start of a process may take up its time."""
    with suppress(JobFailed):
        return (await render(renderer, folder, "fine"))[1] == "fine"
    return False


async def test_a_report_is_rendered_to_a_file(renderer: Renderer, tmp_path: Path) -> None:
    assert await render(renderer, tmp_path, "fine") == (Rendered(1, ["a note"]), "fine")


@pytest.mark.parametrize(
    ("title", "code", "detail"),
    [
        ("eat", Code.REPORT_TOO_LARGE, "it used too much memory"),
        ("crash", Code.REPORT_FAILED, "because of an internal error"),
        ("fail", Code.REPORT_FAILED, "because of an internal error"),
    ],
)
async def test_a_report_that_misuses_its_process_fails(
    renderer: Renderer, tmp_path: Path, title: str, code: Code, detail: str
) -> None:
    with pytest.raises(JobFailed, match=detail) as failed:
        await render(renderer, tmp_path, title)
    assert failed.value.code == code
    assert await eventually(lambda: renders(renderer, tmp_path))


async def test_a_report_that_hangs_fails(tmp_path: Path) -> None:
    async with limited(seconds=0.2) as renderer:
        with pytest.raises(NotRendered, match=r"within 2 s on the clock.*REPORT_SECONDS") as failed:
            await render(renderer, tmp_path, "hang")
        assert failed.value.code == Code.REPORT_FAILED
        assert await eventually(lambda: renders(renderer, tmp_path))


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a short limit of CPU time be exceeded however busy the machine is."""
    monkeypatch.setattr(renderer_module, "WALL_FACTOR", 3_000)


@pytest.mark.usefixtures("patience")
async def test_a_report_that_never_ends_is_ended_by_its_cpu_time(tmp_path: Path) -> None:
    async with limited(seconds=0.2) as renderer:
        with pytest.raises(JobFailed, match=r"^Rendering took longer than 0.2 s \(`REPORT_SECONDS`\). Leave") as failed:
            await render(renderer, tmp_path, "spin")
        assert failed.value.code == Code.REPORT_TOO_LARGE
        assert await eventually(lambda: renders(renderer, tmp_path))


@pytest.mark.usefixtures("patience")
async def test_a_report_that_waits_for_the_machine_is_rendered(tmp_path: Path) -> None:
    async with limited(seconds=0.2) as renderer:
        assert (await render(renderer, tmp_path, "slow"))[1] == "slow"


async def test_a_report_fails_soon_when_no_process_can_be_started(tmp_path: Path) -> None:
    (program := tmp_path / "broken.py").write_text("import no_such_library")
    async with Renderer.open(workers=2, seconds=60, memory_bytes=2**28, program=program) as renderer:
        with pytest.raises(NotRendered, match="No process that renders reports can be started"):
            await render(renderer, tmp_path, "fine")


async def test_processes_share_a_cache_of_fonts_that_lasts(tmp_path: Path) -> None:
    (lock := tmp_path / "cache/matplotlib/fontlist.json.matplotlib-lock").parent.mkdir(parents=True)
    lock.touch()
    cached = Renderer.open(workers=2, seconds=60, memory_bytes=2**28, cache_dir=tmp_path / "cache", program=PROGRAM)
    async with cached as renderer:
        _, named = await render(renderer, tmp_path, "caches")
    assert named == f"{tmp_path}/cache/matplotlib {tmp_path}/cache"
    assert not await asyncio.to_thread(lock.exists)


async def test_a_cache_without_a_folder_is_removed(tmp_path: Path) -> None:
    async with limited(seconds=60) as renderer:
        _, named = await render(renderer, tmp_path, "caches")
        folder = Path(named.split()[1])
        assert await asyncio.to_thread(folder.is_dir)
    assert not await asyncio.to_thread(folder.exists)


async def test_a_hanging_report_does_not_delay_another(tmp_path: Path) -> None:
    async with limited(seconds=60, workers=2) as renderer, background(render(renderer, tmp_path, "hang")) as [hanging]:
        assert (await render(renderer, tmp_path, "fine"))[1] == "fine"
        assert not hanging.done()


def children() -> list[int]:
    """Return the child processes of this process that run the program."""
    found = list[int]()
    for path in Path("/proc/self/task").glob("*/children"):
        pids = map(int, path.read_text().split())
        found += [pid for pid in pids if PROGRAM.name in Path(f"/proc/{pid}/cmdline").read_text()]
    return found


async def test_a_report_whose_process_is_killed_is_rendered_by_another(renderer: Renderer, tmp_path: Path) -> None:
    await render(renderer, tmp_path, "fine")
    for pid in await eventually(children):
        os.kill(pid, signal.SIGKILL)
    assert await eventually(lambda: renders(renderer, tmp_path))
