"""The files of a session, as a user and the agent share them."""

import httpx

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


def test_a_symlink_of_the_agent_leads_nowhere(user: User) -> None:
    session_id = user.create()
    made = 'import os; os.symlink("/etc", "etc"); os.symlink("/etc/passwd", "passwd"); os.mkfifo("pipe")'
    user.bash(session_id, f"python3 -c '{made}'")
    codes = [get(user, session_id, path).json()["error_code"] for path in ("etc/passwd", "passwd", "pipe")]
    assert codes == ["NOT_A_FILE"] * 3
    assert put(user, session_id, "etc/x", b"").json()["error_code"] == "NOT_A_FILE"


def test_what_was_removed_is_gone_for_the_agent(user: User) -> None:
    session_id = user.create()
    put(user, session_id, "a.txt", b"x")
    assert user.http.delete(f"/sessions/{session_id}/workspace/a.txt").status_code == 204
    assert "No such file" in user.bash(session_id, "cat a.txt || true")
