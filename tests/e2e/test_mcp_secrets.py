"""The secrets of MCP servers that sessions use are visible to no agent, in no answer, and stored encrypted only."""

import asyncio
import secrets

from mcp_connection.testing import started
from onebox.testing.planted import planted
from onebox.testing.system import System
from simulator.testing import DONE, bash, calling, scripted

from tests.e2e.mcp import PROGRAM, ask, execute, register, register_url
from tests.e2e.stored import copies, files, holders
from tests.e2e.streams import following, read_events
from tests.e2e.user import User

ENCODE = str.maketrans("0123456789abcdef", "ABCDEFGHIJKLMNOP")


def search(*values: str) -> str:
    """Return a command that lists the files with one of the values, which are not in the command itself."""
    encoded = " ".join(value.removeprefix(planted("")).translate(ENCODE) for value in values)
    places = "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /workspace /home /tmp /etc /dev/shm"
    return f"printf '%s\\n' {encoded} | tr A-P 0-9a-f | grep -rlasF -D skip -f - {places}; true"


def answers(user: User, session_id: str) -> dict[str, bytes]:
    """Return all answers of the API about a session, and about the servers of its user."""
    report = user.http.post("/reports", json={"session_id": session_id, "format": "json"}).raise_for_status().json()
    session = f"/sessions/{session_id}"
    parts = [f"{session}{part}" for part in ("", "/runs", "/messages", "/tool-calls")]
    paths = [*parts, "/mcp-servers", "/mcp-servers/export", f"/reports/{report['id']}/download"]
    with following(user, f"{session}/events", after="0") as events:
        stream = "".join(event.data for event in read_events(events))
    return {path: user.http.get(path).raise_for_status().content for path in paths} | {"events": stream.encode()}


async def test_secrets_of_used_servers_are_nowhere_in_clear(user: User, mcp_admin: User, system: System) -> None:
    label, *tokens = (secrets.token_hex(24) for _ in range(3))
    values = [planted(token) for token in tokens]
    async with started() as server:
        register(mcp_admin, "lab", PROGRAM | {"is_global": True, "env": {"TOKEN": values[0]}})
        register_url(user, "web", server.url, headers={"X-Key": values[1]})
        session_id = user.create("Bash", "mcp__lab", "mcp__web", mcp_servers=["lab", "web"])
        tools = [execute("result = os.environ['TOKEN']"), ("mcp__web__header", {"name": "x-key"})]
        control, attack = bash(f"export MARK={label}; {search(label)}"), bash(search(*values))
        turn = ask(user, session_id, scripted(*map(calling, tools), control, attack, DONE))
        seen = answers(user, session_id)
    assert turn.statuses == ["connected"] * 2
    assert [output.strip('"') for output in turn.outputs[:2]] == ["***", "***"]
    assert "/environ" in turn.outputs[2]
    assert "/proc/" not in turn.outputs[3]
    assert "/home" not in turn.outputs[3]
    assert mcp_admin.http.get("/mcp-servers/export", params={"include_secrets": True}).text.count(values[0]) == 1
    tables = await asyncio.to_thread(copies, system)
    stored = seen | tables | dict(files(system)) | {"output": system.output.encode()}
    assert {f"/sessions/{session_id}/tool-calls", "events", "session.events"} <= {*holders(stored, [label])}
    assert holders(stored, values) == []
