"""The storage quota of a user: set by an administrator, and kept by concurrent uploads, agents, forks and archives."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from onebox.testing.system import until
from simulator.testing import bash, scripted

from tests.e2e.user import User, change, error

QUOTA = 1_000_000


@pytest.fixture
def limited(user: User, admin: User) -> User:
    """A user with a quota, which is in force."""
    change(admin, user, quotas={"storage_bytes": QUOTA})
    until(lambda: user.http.get("/auth/me/usage").json()["storage_bytes"]["limit"] == QUOTA)
    return user


def put(user: User, session_id: str, path: str, size: int) -> httpx.Response:
    return user.http.put(f"/sessions/{session_id}/workspace/{path}", content=bytes(size))


def used(user: User) -> int:
    return user.http.get("/auth/me/usage").raise_for_status().json()["storage_bytes"]["used"]


def test_concurrent_uploads_to_several_sessions_do_not_pass_the_quota(limited: User) -> None:
    sessions = [limited.create() for _ in range(3)]

    def upload(number: int) -> httpx.Response:
        return put(limited, sessions[number % 3], f"{number}.bin", 90_000)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(upload, range(24)))
    assert sorted(answer.status_code for answer in answers) == [201] * 11 + [409] * 13
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert error(refused) == (409, "QUOTA_EXCEEDED")
    body = refused.json()
    assert (body["quota"], body["limit"], body["resets_at"]) == ("storage_bytes", QUOTA, None)
    assert used(limited) == 990_000


def test_what_is_deleted_can_be_stored_again(limited: User) -> None:
    session_id = limited.create()
    assert put(limited, session_id, "folder/a", 600_000).status_code == 201
    assert put(limited, session_id, "b", 600_000).status_code == 409
    limited.http.delete(f"/sessions/{session_id}/workspace/folder").raise_for_status()
    assert put(limited, session_id, "b", 600_000).status_code == 201
    assert put(limited, session_id, "b", 900_000).status_code == 200
    limited.http.delete(f"/sessions/{session_id}").raise_for_status()
    assert used(limited) == 0


def test_what_an_agent_writes_is_counted_after_its_run(limited: User) -> None:
    session_id = limited.create()
    limited.bash(session_id, "head -c 1200000 /dev/zero > zeros")
    until(lambda: used(limited) == 1_200_000)
    other = limited.create()
    answer = limited.ask(other, scripted({"text": "never"}))
    assert error(answer) == (409, "QUOTA_EXCEEDED")
    assert put(limited, other, "a", 1).status_code == 409
    limited.http.delete(f"/sessions/{session_id}/workspace/zeros").raise_for_status()
    assert limited.ask(other, scripted({"text": "Hello."})).status_code == 200


def test_a_fork_above_the_quota_is_refused(limited: User) -> None:
    session_id = limited.create()
    put(limited, session_id, "a", 600_000).raise_for_status()
    assert error(limited.http.post(f"/sessions/{session_id}/fork", json={"name": "two"})) == (409, "QUOTA_EXCEEDED")
    assert used(limited) == 600_000


def test_an_archive_counts_in_place_of_the_workspace(limited: User) -> None:
    session_id = limited.create()
    put(limited, session_id, "a", 600_000).raise_for_status()
    limited.http.post(f"/sessions/{session_id}/archive", json={"compression": "gzip"}).raise_for_status()
    assert 0 < used(limited) < 10_000
    other = limited.create()
    put(limited, other, "a", 900_000).raise_for_status()
    before = used(limited)
    assert error(limited.http.post(f"/sessions/{session_id}/resume")) == (409, "QUOTA_EXCEEDED")
    assert (limited.status(session_id), used(limited)) == ("archived", before)
    limited.http.delete(f"/sessions/{other}").raise_for_status()
    limited.http.post(f"/sessions/{session_id}/resume").raise_for_status()
    until(lambda: used(limited) == 600_000)


def test_an_archive_above_the_quota_leaves_the_session_open(limited: User) -> None:
    session_id = limited.create()
    limited.bash(session_id, "mkdir many && cd many && for n in $(seq 2500); do : > $n; done")
    answer = limited.http.post(f"/sessions/{session_id}/archive", json={"compression": "none"})
    assert error(answer) == (409, "QUOTA_EXCEEDED")
    assert (limited.status(session_id), used(limited)) == ("active", 0)
    assert limited.ask(session_id, scripted(bash("ls many | wc -l"), {"text": "Done."})).status_code == 200
