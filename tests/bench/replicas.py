"""Turns of one conversation with two replicas of the session service, against one replica."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from contracts.messages import Actor
from contracts.session.run import SubmitQuery
from contracts.session.session import CreateSession
from contracts.session.values import SdkOptions
from contracts.wire import durable, work_stream
from eventing.testing.key_rings import ring_json
from nats.aio.subscription import Subscription
from nats.js.errors import NotFoundError
from onebox.children import stop_all
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from runtime.bus import Bus, Client, connected
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.bus.pubsub import subscribe
from runtime.clock import new_id
from simulator.testing import scripted

from tests.bench.bare import TOOLS
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.rounds import interleaved, timed
from tests.bench.stage import Stage, until

ROUNDS, WARMING = 40, 3
PROMPT = scripted({"text": "Nothing unusual is in the logs."})
ENDED = "evt.session.run_completed.>"
RUNS = durable("session", "run_agent")
AIM = Aim(1.25, "x", most=True)


class Conversation:
    """A session, and the events of the ends of its runs."""

    def __init__(self, client: Client, ends: Subscription) -> None:
        self.bus, self.ends, self.session_id = Bus(client), ends, new_id()
        self.envelope = partial(Envelope.begin, actor=Actor(user_id=new_id(), role="user"))

    async def create(self) -> None:
        """Create the session."""
        options = SdkOptions(allowed_tools=TOOLS)
        create = CreateSession(session_id=self.session_id, name="one", sdk_options=options)
        await self.bus.ask(create, self.envelope())

    async def ask(self) -> None:
        """Send a query, and wait for the end of its run."""
        ids: dict[str, Any] = {"session_id": self.session_id, "run_id": new_id(), "message_id": new_id()}
        await self.bus.ask(SubmitQuery(**ids, message=PROMPT, on_busy="reject"), self.envelope())
        await self.ends.next_msg(60)


async def measure(stage: Stage) -> list[Line]:
    """Take turns."""
    async with AsyncExitStack() as stack:
        two = await stack.enter_async_context(_conversation(stage, 2))
        one = await stack.enter_async_context(_conversation(stage, 1))
        sides = {"two": timed(two.ask), "one": timed(one.ask)}
        await interleaved(sides, WARMING)
        rounds = await interleaved(sides, ROUNDS)
    usual, slow = ({side: milliseconds(rounds.percentile(side, percent)) for side in sides} for percent in (50, 95))
    return [
        Line("a turn with two replicas; with one", usual["two"], usual["one"], rounds.ratio("two", "one"), AIM),
        Line("  p95", slow["two"], slow["one"]),
    ]


@asynccontextmanager
async def _conversation(stage: Stage, replicas: int) -> AsyncGenerator[Conversation]:
    """Start replicas on a bus and a database of their own, and a session on them."""
    path = stage.folder.path / f"replicas-{replicas}"
    path.mkdir()
    folder = DataFolder(path)
    stage.section.callback(folder.close)
    nats = EmbeddedNats(folder)
    stage.section.callback(nats.stop)
    nats.start()
    async with stage.databases.fresh() as url, connected(nats.url, "bench") as client:
        environment = {"DATABASE_URL": url, "NATS_URL": nats.url, "MODEL_BASE_URL": stage.model}
        environment |= {"WORKSPACES_DIR": str(path / "workspaces"), "SECRETS_KEYS": ring_json("bench")}
        children = [stage.start("session", environment) for _ in range(replicas)]
        stage.section.callback(stop_all, children)
        for child in children:
            await until(child, lambda: _wait_for_runs(client, replicas))
        conversation = Conversation(client, await subscribe(client, ENDED))
        await conversation.create()
        yield conversation


async def _wait_for_runs(client: Client, replicas: int) -> bool:
    try:
        return (await jetstream(client).consumer_info(work_stream("session"), RUNS)).num_waiting == replicas
    except NotFoundError:
        return False
