"""`make backup` of a running system in containers, and `make restore` to an installation without any data."""

import stat
from hashlib import sha256
from pathlib import Path

import pytest
from onebox.installation.creating import RINGS
from onebox.testing.planted import planted
from simulator.testing import scripted

from tests.deploy.installation import Installation
from tests.e2e.user import User

pytestmark = pytest.mark.deploy
SECRET, KEY = planted("of a saved session"), planted("of a saved server")
SHOW_DIGEST = 'printf %s "$TOKEN" | sha256sum | cut -d " " -f 1'
SERVER = {"name": "saved", "server_type": "HTTP", "url": "https://example.com/mcp", "headers": {"X-Key": KEY}}
RECALL = scripted({"recall": True})
OF_SESSION = ("/sessions/{0}/messages", "/sessions/{0}/workspace", "/sessions/{0}/workspace/note")
VIEWS = (*OF_SESSION, "/reports/{1}/download", "/mcp-servers/export?include_secrets=true")


def work(user: User) -> tuple[str, str]:
    """Have a conversation that writes a file, a report and an MCP server, and return the ids of the first two."""
    session = user.create(env={"TOKEN": SECRET})
    user.ask(session, "My name is Ada.").raise_for_status()
    user.bash(session, "echo saved > note")
    user.http.post("/mcp-servers", json=SERVER).raise_for_status()
    report = user.http.post("/reports", json={"session_id": session, "format": "pdf"}).raise_for_status()
    return session, report.json()["id"]


def views(user: User, *ids: str) -> dict[str, bytes]:
    """Return what a user sees of this work."""
    return {path: user.http.get(path.format(*ids)).raise_for_status().content for path in VIEWS}


@pytest.fixture
def empty(tmp_path: Path) -> Installation:
    """An installation without volumes, with passwords of its own and without keys."""
    empty = Installation(tmp_path / "secrets")
    for name in RINGS:
        (empty.secrets / name).unlink()
    return empty


def test_a_system_continues_in_new_volumes_from_a_backup(
    installation: Installation, empty: Installation, tmp_path: Path
) -> None:
    file, saved = tmp_path / "monday", User(installation.gateways[0])
    with saved.http:
        saved.register()
        saved.log_in()
        ids = work(saved)
        before = views(saved, *ids)
    assert KEY.encode() in before[VIEWS[-1]]
    installation.make("backup", COMPOSE="1", FILE=str(file))
    with empty:
        empty.make("restore", COMPOSE="1", FILE=str(file))
        empty.up()
        restored = User(empty.gateways[0])
        restored.http.headers["authorization"] = saved.http.headers["authorization"]
        with restored.http:
            assert views(restored, *ids) == before
            assert "Ada" in restored.ask(ids[0], RECALL).raise_for_status().json()["content"]["text"]
            assert restored.bash(ids[0], SHOW_DIGEST) == sha256(SECRET.encode()).hexdigest()
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    assert modes == {"monday": 0o600, "monday.keys": 0o600, "secrets": 0o700}
