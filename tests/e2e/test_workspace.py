"""The files of a session, as a user and the agent share them."""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from onebox.testing.system import System, until

from tests.e2e.user import User


def put(user: User, session_id: str, path: str, content: bytes) -> httpx.Response:
    return user.http.put(f"/sessions/{session_id}/workspace/{path}", content=content)


def get(user: User, session_id: str, path: str, **headers: str) -> httpx.Response:
    return user.http.get(f"/sessions/{session_id}/workspace/{path}", headers=headers)


def test_the_agent_reads_what_the_user_wrote(user: User) -> None:
    session_id = user.create()
    assert put(user, session_id, "data/in.txt", b"from the user").status_code == 201
    assert user.bash(session_id, "cat data/in.txt") == "from the user"


def test_the_user_reads_what_the_agent_wrote(user: User) -> None:
    session_id = user.create()
    user.bash(session_id, "mkdir out && head -c 2000000 /dev/zero > out/zeros && echo hi > out/a.txt")
    assert [(f["path"], f["type"]) for f in user.items(f"/sessions/{session_id}/workspace")] == [
        ("out", "directory"),
        ("out/a.txt", "file"),
        ("out/zeros", "file"),
    ]
    assert get(user, session_id, "out/zeros").content == bytes(2_000_000)
    assert get(user, session_id, "out/a.txt", range="bytes=1-1").content == b"i"


def test_a_symlink_of_the_agent_is_not_followed(user: User) -> None:
    session_id = user.create()
    made = 'import os; os.symlink("/etc", "etc"); os.symlink("/etc/passwd", "passwd"); os.mkfifo("pipe")'
    user.bash(session_id, f"python3 -c '{made}'")
    codes = [get(user, session_id, path).json()["error_code"] for path in ("etc/passwd", "passwd", "pipe")]
    assert codes == ["NOT_A_FILE"] * 3
    assert put(user, session_id, "etc/x", b"").json()["error_code"] == "NOT_A_FILE"


def test_a_deleted_file_is_gone_for_the_agent(user: User) -> None:
    session_id = user.create()
    put(user, session_id, "a.txt", b"x")
    assert user.http.delete(f"/sessions/{session_id}/workspace/a.txt").status_code == 204
    assert "No such file" in user.bash(session_id, "cat a.txt || true")


def fork(user: User, session_id: str, **body: str) -> httpx.Response:
    return user.http.post(f"/sessions/{session_id}/fork", json={"name": "Forked Session", **body})


def said(user: User, session_id: str, message: str) -> str:
    return user.ask(session_id, message).raise_for_status().json()["content"]["text"]


def test_a_fork_has_the_fields_of_the_specification(user: User) -> None:
    session_id = user.create()
    answer = fork(user, session_id)
    shown = answer.json()
    assert answer.status_code == 201
    assert (shown["parent_session_id"], shown["is_fork"], shown["name"]) == (session_id, True, "Forked Session")
    assert (shown["status"], shown["mode"], shown["ready"]) == ("created", "forked", True)


def test_a_fork_remembers_its_parent_and_both_continue_independently(user: User) -> None:
    session_id = user.create()
    said(user, session_id, "My name is Ada")
    user.bash(session_id, "echo one > a.txt; ln -s a.txt link")
    fork_id = fork(user, session_id).json()["id"]
    assert said(user, fork_id, 'What is my name? [[simulate {"turns": [{}]}]]') == "Your name is Ada."
    said(user, fork_id, "My name is Bob")
    assert user.bash(fork_id, "cat link; echo two > a.txt") == "one"
    assert get(user, session_id, "a.txt").content == b"one\n"
    assert said(user, session_id, 'What is my name? [[simulate {"turns": [{}]}]]') == "Your name is Ada."
    assert said(user, fork_id, 'What is my name? [[simulate {"turns": [{}]}]]') == "Your name is Bob."


def test_a_fork_of_an_earlier_message_does_not_know_later_messages(user: User) -> None:
    session_id = user.create()
    said(user, session_id, "My name is Ada")
    said(user, session_id, "My name is Bob")
    messages = user.items(f"/sessions/{session_id}/messages")
    fork_id = fork(user, session_id, from_message_id=messages[1]["id"]).json()["id"]
    assert user.items(f"/sessions/{fork_id}/messages") == messages[:2]
    assert said(user, fork_id, "What is my name?") == "Your name is Ada."
    assert [m["sequence_number"] for m in user.items(f"/sessions/{fork_id}/messages")] == [1, 2, 3, 4]


def test_a_fork_of_a_fork_remembers_the_whole_conversation(user: User) -> None:
    session_id = user.create()
    said(user, session_id, "My name is Ada")
    first = fork(user, session_id).json()["id"]
    known = user.items(f"/sessions/{first}/messages")
    user.http.delete(f"/sessions/{session_id}").raise_for_status()
    second = fork(user, first, from_message_id=known[0]["id"]).json()["id"]
    assert said(user, second, "What is my name?") == "Your name is Ada."


def test_a_fork_from_an_unknown_message_is_refused(user: User) -> None:
    session_id = user.create()
    answer = fork(user, session_id, from_message_id=session_id)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "MESSAGE_NOT_FOUND")


def archive(user: User, session_id: str, compression: str) -> dict[str, Any]:
    answer = user.http.post(f"/sessions/{session_id}/archive", json={"compression": compression})
    return answer.raise_for_status().json()


def test_an_archive_has_the_specified_fields_and_can_be_downloaded(user: User) -> None:
    session_id = user.create()
    user.bash(session_id, "mkdir a && echo hello > a/b.txt && ln -s /etc/passwd link")
    made = archive(user, session_id, "gzip")
    assert made["archive_path"] == f"/archives/{made['archive_id']}.tar.gz"
    assert made["file_count"] == 1
    answer = user.http.get(f"/sessions/{session_id}/archive/download")
    assert len(answer.content) == made["archive_size_bytes"]
    assert answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as packed:
        assert sorted((m.name, m.issym()) for m in packed) == [("a", False), ("a/b.txt", False), ("link", True)]
    part = user.http.get(f"/sessions/{session_id}/archive/download", headers={"range": "bytes=-4"})
    assert part.content == answer.content[-4:]


def test_an_archived_session_accepts_queries_again_after_resume(user: User) -> None:
    session_id = user.create()
    said(user, session_id, "My name is Ada")
    user.bash(session_id, "echo hello > a.txt")
    archive(user, session_id, "zstd")
    assert user.status(session_id) == "archived"
    for answer in (user.ask(session_id, "?"), get(user, session_id, "a.txt"), fork(user, session_id)):
        assert (answer.status_code, answer.json()["error_code"]) == (409, "SESSION_ARCHIVED")
    opened = user.http.post(f"/sessions/{session_id}/resume").raise_for_status().json()
    assert (opened["status"], opened["ready"]) == ("active", True)
    assert get(user, session_id, "a.txt").content == b"hello\n"
    assert said(user, session_id, 'What is my name? [[simulate {"turns": [{}]}]]') == "Your name is Ada."
    assert user.http.get(f"/sessions/{session_id}/archive").json()["error_code"] == "ARCHIVE_NOT_FOUND"


def test_a_full_workspace_refuses_queries_until_space_is_freed(user: User, system: System) -> None:
    session_id = user.create()
    user.bash(session_id, "true")
    with (system.data_dir / "workspaces" / session_id / "big").open("wb") as file:  # as a run whose service was killed
        file.truncate(2 * 2**30)  # no block of the disk, but it counts
    answers = [
        user.ask(session_id, "?"),
        fork(user, session_id),
        user.http.post(f"/sessions/{session_id}/archive", json={}),
        put(user, session_id, "a.txt", b"x"),
    ]
    assert [(a.status_code, a.json()["error_code"]) for a in answers] == [(409, "WORKSPACE_FULL")] * 4
    user.http.delete(f"/sessions/{session_id}/workspace/big").raise_for_status()
    assert user.bash(session_id, "echo again") == "again"


def test_a_session_that_cannot_be_packed_is_reopened_with_the_reason(user: User, system: System) -> None:
    session_id = user.create()
    user.bash(session_id, "echo hello > a.txt")
    in_the_way = system.data_dir / "archives" / session_id
    in_the_way.touch()
    answer = user.http.post(f"/sessions/{session_id}/archive", json={})
    assert (answer.status_code, answer.json()["error_code"]) == (507, "STORAGE_FAILED")
    assert (user.status(session_id), get(user, session_id, "a.txt").content) == ("active", b"hello\n")
    assert user.http.get(f"/sessions/{session_id}").json()["error_code"] == "STORAGE_FAILED"
    in_the_way.unlink()
    archive(user, session_id, "gzip")


def test_a_session_that_cannot_be_unpacked_stays_archived(user: User, system: System) -> None:
    session_id = user.create()
    user.bash(session_id, "head -c 100000 /dev/urandom > a")
    archive(user, session_id, "gzip")
    [packed] = (system.data_dir / "archives" / session_id).iterdir()
    whole = packed.read_bytes()
    packed.write_bytes(whole[:50_000])
    answer = user.http.post(f"/sessions/{session_id}/resume")
    assert (answer.status_code, answer.json()["error_code"]) == (507, "STORAGE_FAILED")
    assert (user.status(session_id), user.http.get(f"/sessions/{session_id}/archive").json()["status"]) == (
        "archived", "ready",
    )  # fmt: skip
    packed.write_bytes(whole)
    assert user.http.post(f"/sessions/{session_id}/resume").json()["status"] == "active"
    assert len(get(user, session_id, "a").content) == 100_000


def test_nothing_is_left_of_a_deleted_session(spare_user: User, spare_system: System) -> None:
    session_id = spare_user.create()
    put(spare_user, session_id, "a.txt", b"x")
    archive(spare_user, session_id, "none")
    spare_user.http.delete(f"/sessions/{session_id}").raise_for_status()
    until(lambda: not list(spare_system.data_dir.rglob(f"*{session_id}*")))


def test_archiving_survives_a_kill_of_the_service(spare_user: User, spare_system: System) -> None:
    session_id = spare_user.create()
    spare_user.bash(session_id, "head -c 12000000 /dev/urandom > big")
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(archive, spare_user, session_id, "xz")
        until(lambda: list(spare_system.data_dir.rglob("*.tar.xz.*.new")))
        spare_system.kill("session")
        assert made.result()["file_count"] == 1
    spare_user.http.post(f"/sessions/{session_id}/resume").raise_for_status()
    assert len(get(spare_user, session_id, "big").content) == 12_000_000
