"""What a claimed agent sees and asks is what an agent sees and asks that was started for its session."""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from eventing.testing import eventually
from session.agent import Limits
from simulator.app import create_app
from simulator.testing import bash, scripted

from services.session.tests.replica import NewReplica, Replica

pytestmark = pytest.mark.claude_code

MARK = "markings-of-alice"
RANDOM = re.compile(
    r"\bb\w{8}\.output|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|[\w-]{30,}|sandbox-\w+|test_\w+|(?<=[.:/-])\d+|\b\d{2,}\b"
)
WAITS = "--await-claim"
EVERYTHING = """
for i in $(seq 600); do  # written meanwhile
    ls ~/.claude/projects/*/*.jsonl > /dev/null 2>&1 && grep -q pluginUsage ~/.claude/.claude.json && break; sleep 0.05
done
env | grep -v '^_=' | sort
find /[!epsu]* /run /srv /opt '(' -path '*/_bundled' -o -name 'fswatch-probe*' ')' -prune -o \\
    -printf '%y %m %U %p\\n' 2>/dev/null | sort
cat ~/.claude/.claude.json
cut -d' ' -f4- /proc/self/mountinfo
for p in 1 2; do tr '\\0' '\\n' < /proc/$p/environ | sort; tr '\\0' '\\n' < /proc/$p/cmdline; done
ls -l /proc/2/fd | wc -l
grep -E 'Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:' /proc/2/status; cat /proc/2/limits
names=$(ls /proc); echo "$names" | grep -c '^[0-9]'
# connections that have ended stay for a while (TIME_WAIT, 06)
awk '$4 != "06"' /proc/net/tcp | wc -l; cat /proc/net/unix | wc -l; cat /proc/2/oom_score_adj; ulimit -a
"""
SEARCH = """
grep -rIl 'marking[s]-of' /home /tmp /workspace /dev/shm /run 2>/dev/null | grep -v /projects/
python3 - <<'END'
import array
regions = [line.split()[0].split("-") for line in open("/proc/2/maps") if "rw-p" in line]
with open("/proc/2/mem", "rb", 0) as memory, open("/proc/2/pagemap", "rb", 0) as pages:
    for first, last in ((int(first, 16), int(last, 16)) for first, last in regions):
        pages.seek(first // 4096 * 8)
        present = array.array("Q", pages.read((last - first) // 4096 * 8))
        kept = b""
        for number, flags in enumerate(present):
            if flags >> 63:
                memory.seek(first + number * 4096)
                kept = kept[-30:] + memory.read(4096)
                if b"markings-of-al" + b"ice" in kept:
                    print("found")
                    raise SystemExit
END
echo searched
"""


@pytest_asyncio.fixture
async def bodies() -> AsyncGenerator[tuple[str, list[dict[str, Any]]]]:
    """The address of a model, and the requests that it has received."""
    received = list[dict[str, Any]]()

    @web.middleware
    async def keep(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        received.append(await request.json())
        return await handler(request)

    app = create_app()
    app.middlewares.append(keep)
    async with TestServer(app) as server:
        yield str(server.make_url("/")), received


async def fresh_and_claimed(replica: Replica, use: Callable[[str], Awaitable[Any]]) -> list[Any]:
    """Return what `use` returns for a session that starts its agent, and for one that claims one."""
    fresh = await use("one")
    await eventually(lambda: any(agent.ready for agent in replica.agents.spares.agents))
    [spare] = replica.agents.spares.agents
    claimed = await use("two")
    assert spare.spec.session_id == replica.spec("two").session_id
    return [fresh, claimed]


def masked(text: str) -> list[str]:
    """Return the lines of a text, without what differs between any two agents."""
    return RANDOM.sub("*", text.replace("/one", "/two")).splitlines()


async def test_a_claimed_agent_sees_what_a_fresh_one_sees(new_replica: NewReplica) -> None:
    async with new_replica(Limits(spares=1)) as replica:
        seen = await fresh_and_claimed(replica, lambda session: replica.bash(EVERYTHING, session))
    fresh, claimed = (masked(text) for text in seen)
    assert len(fresh) > 100
    assert [line for line in claimed if line != WAITS] == fresh
    assert claimed.count(WAITS) == 2  # in the command lines of the agent and of the first process


@pytest.mark.parametrize("prompts", [{}, {"one": MARK, "two": "You are a boat."}], ids=["usual", "system_prompts"])
async def test_nothing_of_an_earlier_session_is_in_a_claimed_agent(
    new_replica: NewReplica, prompts: dict[str, str]
) -> None:
    async with new_replica(Limits(spares=1)) as replica:

        async def use(session: str) -> str:
            if session == "two":
                return await replica.bash(SEARCH, session, system_prompt=prompts.get(session))
            write = scripted(bash(f"echo {MARK} > note; echo {MARK} > /tmp/note"), {"text": MARK}, text=MARK)
            return (await replica.ask(write, session, system_prompt=prompts.get(session))).text

        assert await fresh_and_claimed(replica, use) == [MARK, "searched"]
        found = (await replica.bash(SEARCH, "one", system_prompt=prompts.get("one"))).splitlines()
        assert {"/tmp/note", "/workspace/note", "found"} <= {*found}  # the search finds what is there


def make_repository(workspace: Path) -> None:
    for folder in ("objects", "refs"):
        (workspace / ".git" / folder).mkdir(parents=True)
    (workspace / ".git" / "HEAD").write_text("ref: refs/heads/trunk\n")
    (workspace / "CLAUDE.md").write_text(f"Say {MARK}.\n")


@pytest.mark.parametrize("prompt", [None, "You are a boat."], ids=["usual", "system_prompt"])
async def test_files_after_the_claim_are_seen_as_those_before_the_start(
    new_replica: NewReplica, bodies: tuple[str, list[dict[str, Any]]], prompt: str | None
) -> None:
    url, received = bodies
    async with new_replica(Limits(spares=1), url) as replica:

        async def asked(session: str) -> str:
            received.clear()
            await replica.ask(scripted({"text": "Hello."}), session, system_prompt=prompt)
            return "\n".join(masked(json.dumps(received, indent=1)))

        make_repository(replica.workspaces / "one")
        fresh = await asked("one")
        await eventually(lambda: any(agent.ready for agent in replica.agents.spares.agents))
        assert await replica.agents.spares.prepare(replica.spec("two", system_prompt=prompt))
        make_repository(replica.workspaces / "two")
        assert await asked("two") == fresh
    assert ("Is a git repository: true" in fresh, MARK in fresh) == (True, False)


COMMANDS = ("touch made", "rm made", "mv made there")
OPTIONS: list[dict[str, Any]] = [
    {"permission_mode": "default"},
    {
        "permission_mode": "acceptEdits",
        "allowed_tools": ["Bash(touch:*)", "Read"],
        "disallowed_tools": ["WebSearch", "Bash(rm:*)"],
        "model": "claude-sonnet-4-6",
        "effort": "high",
    },
]
OPTIONS.append({**OPTIONS[1], "system_prompt": "You are a boat."})


@pytest.mark.parametrize("options", OPTIONS, ids=["default", "chosen", "system_prompt"])
async def test_a_claimed_agent_asks_and_may_do_what_a_fresh_one_does(
    new_replica: NewReplica, bodies: tuple[str, list[dict[str, Any]]], options: dict[str, Any]
) -> None:
    url, received = bodies
    async with new_replica(Limits(spares=1), url) as replica:

        async def use(session: str) -> tuple[list[str], list[bool]]:
            turn = await replica.ask(scripted(*map(bash, COMMANDS), {"text": "Done."}), session, **options)
            sent = [masked(json.dumps(body, indent=1)) for body in received]
            received.clear()
            return [line for lines in sent for line in lines], turn.denied

        fresh, claimed = await fresh_and_claimed(replica, use)
    assert claimed == fresh
    assert (options == OPTIONS[0]) or fresh[1] == [False, True, False]
