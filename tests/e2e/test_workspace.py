"""The files of a session, in forks and archives."""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from onebox.testing.system import System, until

from tests.e2e.user import NAME, User, said


def archive(user: User, session_id: str, compression: str) -> dict[str, Any]:
    answer = user.http.post(f"/sessions/{session_id}/archive", json={"compression": compression})
    return answer.raise_for_status().json()


def test_a_fork_of_an_earlier_message_does_not_know_later_ones(shared_user: User) -> None:
    session_id = shared_user.create()
    said(shared_user, session_id, "My name is Ada")
    said(shared_user, session_id, "My name is Bob")
    messages = shared_user.items(f"/sessions/{session_id}/messages")
    body = {"name": "Forked Session", "from_message_id": messages[1]["id"]}
    fork_id = shared_user.http.post(f"/sessions/{session_id}/fork", json=body).raise_for_status().json()["id"]
    assert shared_user.items(f"/sessions/{fork_id}/messages") == messages[:2]
    shared_user.http.delete(f"/sessions/{session_id}").raise_for_status()
    assert said(shared_user, fork_id, "What is my name?") == "Your name is Ada."
    assert [m["sequence_number"] for m in shared_user.items(f"/sessions/{fork_id}/messages")] == [1, 2, 3, 4]


def test_a_fork_remembers_its_parent_and_both_continue_independently(shared_user: User) -> None:
    session_id = shared_user.create()
    said(shared_user, session_id, "My name is Ada")
    shared_user.bash(session_id, "echo one > a.txt; ln -s a.txt link")
    fork = shared_user.http.post(f"/sessions/{session_id}/fork", json={"name": "Forked Session"}).json()
    assert (fork["parent_session_id"], fork["status"], fork["ready"]) == (session_id, "created", True)
    assert said(shared_user, fork["id"], NAME) == "Your name is Ada."
    said(shared_user, fork["id"], "My name is Bob")
    assert shared_user.bash(fork["id"], "cat link; echo two > a.txt") == "one"
    assert shared_user.http.get(f"/sessions/{session_id}/workspace/a.txt").content == b"one\n"
    assert said(shared_user, session_id, NAME) == "Your name is Ada."
    assert said(shared_user, fork["id"], NAME) == "Your name is Bob."


def test_an_archive_has_the_specified_fields_and_can_be_downloaded(shared_user: User) -> None:
    session_id = shared_user.create()
    shared_user.bash(session_id, "mkdir a && echo hello > a/b.txt && ln -s /etc/passwd link")
    refused = shared_user.http.get(f"/sessions/{session_id}/workspace/link")
    assert refused.json()["error_code"] == "NOT_A_FILE"
    made = archive(shared_user, session_id, "gzip")
    assert made["archive_path"] == f"/archives/{made['archive_id']}.tar.gz"
    assert made["file_count"] == 1
    answer = shared_user.http.get(f"/sessions/{session_id}/archive/download")
    assert len(answer.content) == made["archive_size_bytes"]
    assert answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as packed:
        assert sorted((m.name, m.issym()) for m in packed) == [("a", False), ("a/b.txt", False), ("link", True)]


@pytest.mark.long
def test_archiving_survives_a_kill_of_the_service(spare_user: User, spare_system: System) -> None:
    session_id = spare_user.create()
    spare_user.bash(session_id, "head -c 12000000 /dev/urandom > big")
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(archive, spare_user, session_id, "xz")
        until(lambda: list(spare_system.data_dir.rglob("*.tar.xz.*.new")))
        spare_system.kill("session")
        assert made.result()["file_count"] == 1
    spare_user.http.post(f"/sessions/{session_id}/resume").raise_for_status()
    assert len(spare_user.http.get(f"/sessions/{session_id}/workspace/big").content) == 12_000_000
