"""A whole system that was saved while it worked, and restored elsewhere, continues from that moment."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from onebox.folder import UNFINISHED_RESTORE
from onebox.testing.planted import planted
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e import backups
from tests.e2e.tasks import EVERY_MINUTE, FINE, TICK_SECONDS, UserTask
from tests.e2e.user import HELD, User, let_go

pytestmark = pytest.mark.long

SECRET = planted("of a session that is saved")
SHOW_DIGEST = 'printf %s "$TOKEN" | sha256sum | cut -d " " -f 1'
RECALL = scripted({"recall": True})
EFFECT = scripted(bash("echo effect >> effects"), {"text": "Done."})


@dataclass
class Saved:
    """What a user has when the system is saved, and what was created meanwhile."""

    session_id: str
    archived_id: str
    held_id: str
    held_run_id: str
    report_id: str
    task_id: str
    views: dict[str, Any]
    created_meanwhile: list[str]


PATHS = ("/sessions/{session_id}/messages", "/sessions/{session_id}/runs", "/sessions/{session_id}/workspace")


def views(user: User, session_id: str, report_id: str) -> dict[str, Any]:
    """Return what does not change any more: conversation, files, and the file of a report."""
    found: dict[str, Any] = {path: user.items(path.format(session_id=session_id)) for path in PATHS}
    found["report"] = user.http.get(f"/reports/{report_id}/download").raise_for_status().content
    return found


@pytest.fixture(scope="module")
def saved(system: System, shared_user: User, file: Path) -> Saved:
    """Save the system while one agent works and sessions are created."""
    session_id = shared_user.create(env={"TOKEN": SECRET})
    shared_user.ask(session_id, "My name is Ada.").raise_for_status()
    shared_user.ask(session_id, EFFECT).raise_for_status()
    report = shared_user.http.post("/reports", json={"session_id": session_id, "format": "markdown"})
    report_id = report.raise_for_status().json()["id"]
    archived_id = shared_user.create()
    shared_user.ask(archived_id, EFFECT).raise_for_status()
    shared_user.http.post(f"/sessions/{archived_id}/archive", json={"compression": "zstd"}).raise_for_status()
    until(lambda: shared_user.status(archived_id) == "archived")
    held_id = shared_user.create()
    held_run_id = shared_user.submit(held_id, HELD).raise_for_status().json()["id"]
    until(lambda: shared_user.items(f"/sessions/{held_id}/tool-calls"))
    task = UserTask.create(shared_user, FINE, schedule_cron=EVERY_MINUTE)
    found = views(shared_user, session_id, report_id)
    created, done = list[str](), Event()

    def create() -> None:
        while not done.wait(0.05):
            created.append(shared_user.create())

    with ThreadPoolExecutor(1) as client:
        writing = client.submit(create)
        until(lambda: created)
        backups.run("save", system.data_dir, file)
        done.set()
        writing.result()
    let_go(system, held_id)
    shared_user.ended(held_id, held_run_id)
    task.post("pause").raise_for_status()
    return Saved(session_id, archived_id, held_id, held_run_id, report_id, task.id, found, created)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backup") / "file"


@pytest.fixture(scope="module")
def empty() -> Generator[System]:
    """Yield a system that was never started."""
    with System(prepared=False) as system:
        yield system


@pytest.fixture(scope="module")
def interrupted(empty: System, saved: Saved, file: Path) -> str:
    """Kill a restore in the middle, and return what a start says then."""
    with backups.started("restore", empty.data_dir, file) as restore:
        until(lambda: (empty.data_dir / UNFINISHED_RESTORE).exists() and (empty.data_dir / "postgres").exists())
        restore.kill()
    empty.launch()
    assert empty.wait() == 1
    return empty.output


@pytest.fixture(scope="module")
def restored(empty: System, interrupted: str, file: Path) -> System:
    """Restore the system to the same folder again, and start it."""
    assert f"`DATA_DIR={empty.data_dir} make run`" in backups.run("restore", empty.data_dir, file)
    empty.start()
    return empty


@pytest.fixture
def restored_user(restored: System, shared_user: User) -> Generator[User]:
    """The user of the saved system, whose token is valid in the restored one."""
    user = User(restored.base_url)
    user.http.headers["authorization"] = shared_user.http.headers["authorization"]
    with user.http:
        yield user


def test_a_system_does_not_start_after_an_interrupted_restore(interrupted: str) -> None:
    assert "was interrupted. Repeat it" in interrupted


def test_conversations_files_and_reports_are_restored(saved: Saved, restored_user: User) -> None:
    assert views(restored_user, saved.session_id, saved.report_id) == saved.views


def test_sessions_created_while_a_system_is_saved_are_restored_in_order(saved: Saved, restored_user: User) -> None:
    found = [restored_user.http.get(f"/sessions/{id}").is_success for id in saved.created_meanwhile]
    assert found == sorted(found, reverse=True)
    assert found[0]


def test_a_conversation_continues_after_a_restore_with_its_secrets(saved: Saved, restored_user: User) -> None:
    answer = restored_user.ask(saved.session_id, RECALL).raise_for_status()
    assert "Ada" in answer.json()["content"]["text"]
    assert restored_user.bash(saved.session_id, SHOW_DIGEST) == sha256(SECRET.encode()).hexdigest()


def test_a_run_that_had_ended_has_its_effect_once_after_a_restore(saved: Saved, restored_user: User) -> None:
    assert restored_user.bash(saved.session_id, "cat effects") == "effect"


def test_a_run_that_was_active_is_interrupted_by_a_restore(saved: Saved, restored_user: User) -> None:
    run = restored_user.ended(saved.held_id, saved.held_run_id)
    assert (run["status"], run["error_code"]) == ("failed", "RUN_INTERRUPTED")


def test_an_archive_is_resumed_after_a_restore(saved: Saved, restored_user: User) -> None:
    restored_user.http.post(f"/sessions/{saved.archived_id}/resume").raise_for_status()
    until(lambda: restored_user.status(saved.archived_id) == "active")
    assert restored_user.bash(saved.archived_id, "cat effects") == "effect"


def test_events_reach_other_services_after_a_restore(restored: System, restored_user: User) -> None:
    session_id = restored_user.create()
    admin = User(restored.base_url)
    with admin.http:
        admin.log_in(restored.admin_email, restored.admin_password)
        until(lambda: admin.items("/admin/audit", resource_id=session_id))


def test_a_schedule_continues_after_a_restore_and_no_tick_starts_twice(saved: Saved, restored_user: User) -> None:
    task = UserTask(restored_user, saved.task_id)
    until(lambda: len(task.executions(status="completed")) > 0, TICK_SECONDS)
    ticks = [execution["scheduled_for"] for execution in task.executions()]
    assert len(ticks) == len({*ticks})
