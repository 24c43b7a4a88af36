"""A real NATS server, with the users of an installation, refuses each service what belongs to another one."""

# nats-py does not annotate its options
# pyright: reportUnknownMemberType=false

import asyncio
import re
from collections.abc import Iterator

import nats
import pytest
from contracts.catalogue import SERVICES
from contracts.messages import feed_query
from contracts.subscriptions import GATEWAY, OPERATOR, REACTIONS
from contracts.wire import (
    DEAD_LETTERS,
    IDEMPOTENCY,
    IDEMPOTENCY_USAGE,
    OPEN_STREAMS,
    RATE_LIMITS,
    REVOCATIONS,
    durable,
    event_stream,
    work_stream,
)
from onebox.nats import EmbeddedNats
from runtime.bus import Bus, Unavailable, connected
from runtime.bus.accounts import accounts
from runtime.bus.client import NotPermitted
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.bus.permissions import authorization, commands_and_queries, sent
from runtime.bus.start import wait_for_bus
from runtime.metrics import metrics_of
from runtime.starting import CannotStart

NAMES = (GATEWAY, *SERVICES)
SHARED = (DEAD_LETTERS, RATE_LIMITS, OPEN_STREAMS, IDEMPOTENCY_USAGE, f"KV_{REVOCATIONS}", f"KV_{IDEMPOTENCY}")
STREAMS = (*SHARED, *map(event_stream, SERVICES), *map(work_stream, SERVICES))
CHANGES = ("UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "PEER.REMOVE", "LEADER.STEPDOWN")
OF_NOBODY = (
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.CREATE.SPY",
    *(f"$JS.API.STREAM.{call}.PUBLIC" for call in ("DELETE", "UPDATE", "MSG.GET", "MSG.DELETE")),
    "$JS.API.CONSUMER.MSG.NEXT.PUBLIC.x",
    "$JS.ACK.PUBLIC.x.1.1.1.1.0",
    "_R_.x.y",
    "$SYS.REQ.SERVER.PING",
    "other",
)
EVERYTHING = (
    ">",
    "*.>",
    "cmd.>",
    "evt.>",
    "work.>",
    "_INBOX.>",
    "$JS.>",
    "$JS.API.>",
    "$KV.>",
    "$SYS.>",
    "$JS.EVENT.>",
    "public.>",
    "_R_.>",
)
OF_ONE = {
    "public.v1.x.session.created.y": "webhook",
    "$JS.API.STREAM.CREATE.PUBLIC": "identity",
    "$JS.API.CONSUMER.CREATE.PUBLIC.x": "identity",
    "$JS.API.CONSUMER.DELETE.PUBLIC.x": "identity",
    "$SYS._INBOX.x.y": "identity",
    "bus.connections": "identity",
    "bus.disconnect.x": "identity",
}
"""What concerns programs of users, and the only service that may do it."""
BUCKETS = {REVOCATIONS: "identity", IDEMPOTENCY: GATEWAY}


def of_another(name: str, other: str) -> Iterator[str]:
    """Yield what belongs to another service."""
    yield from (f"evt.{other}.made", f"work.{other}.made", f"dead.{other}.made", f"offer.{other}.made.x")
    yield from (f"replay.{other}", f"_INBOX.{name}.x.{other}.y", f"_INBOX.{other}.x.{other}.y")
    yield from (f"$JS.API.STREAM.CREATE.{stream(other)}" for stream in (event_stream, work_stream))
    yield from (f"$JS.API.STREAM.MSG.{call}.{event_stream(other)}" for call in ("GET", "DELETE"))
    yield f"$JS.ACK.{work_stream(other)}.{other}-it.1.1.1.1.0"
    yield from (f"$JS.API.CONSUMER.{call}.{work_stream(other)}.it" for call in ("CREATE", "MSG.NEXT", "DELETE"))
    for source, reactions in REACTIONS.get(other, {}).items():
        for consumer in (f"{event_stream(source)}.{durable(other, reaction)}" for reaction in reactions):
            calls = ("CREATE", "DURABLE.CREATE", "MSG.NEXT", "DELETE", "PAUSE", "UNPIN")
            yield from (f"$JS.API.CONSUMER.{call}.{consumer}" for call in calls)
            yield from (f"$JS.API.CONSUMER.CREATE.{consumer}.evt.>", f"$JS.ACK.{consumer}.1.1.1.1.0")


def forbidden(name: str) -> set[str]:
    """Return what a service may not publish."""
    found = {*OF_NOBODY, *(kind.subject for kind in commands_and_queries()), f"_INBOX.{name}.x.y.z"}
    found |= {f"$JS.API.STREAM.{change}.{stream}" for change in CHANGES for stream in STREAMS}
    found |= {f"$JS.API.CONSUMER.{call}.{stream}" for call in ("LIST", "NAMES", "CREATE") for stream in STREAMS}
    found |= {f"$JS.API.DIRECT.GET.{stream}" for stream in STREAMS}
    found |= {subject for other in NAMES if other != name for subject in of_another(name, other)}
    found |= {subject for subject, owner in OF_ONE.items() if owner != name}
    found |= {f"$KV.{bucket}.key" for bucket, owner in BUCKETS.items() if owner != name}
    allowed = {*sent(name), *({f"$JS.API.CONSUMER.CREATE.KV_{REVOCATIONS}", f"$JS.API.DIRECT.GET.{OPEN_STREAMS}"})}
    return found - (allowed if name == GATEWAY else {*sent(name)})


async def refused_to(name: str, url: str, publishes: set[str], subscribes: set[str]) -> set[str]:
    """Return which of these subjects the server refuses to a user."""
    found = set[str]()

    async def note(error: Exception) -> None:
        found.add(str(error).rpartition(" to ")[2].strip('"'))

    client = await nats.connect(url, name=name, error_cb=note)
    try:
        for subject in publishes:
            await client.publish(subject.replace("*", "x"))
        for subject in subscribes:
            await client.subscribe(subject)
        for _ in range(2):  # nats-py writes a ping ahead of what waits in its buffer
            await client.flush()
        return found
    finally:
        await client.close()


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_publishes_nothing_that_is_of_another_one(name: str, installed_nats: EmbeddedNats) -> None:
    wanted = forbidden(name)
    found = await refused_to(name, installed_nats.url_of(name), wanted, set())
    assert {subject.replace("*", "x").lower() for subject in wanted} - found == set()


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_hears_nothing_that_is_for_another_one(name: str, installed_nats: EmbeddedNats) -> None:
    wanted = {*EVERYTHING, *(["$SYS.REQ.USER.AUTH"] if name != "identity" else [])} | {
        f"{subject}.{other}.>"
        for other in NAMES
        if other != name
        for subject in ("cmd", "qry", "_INBOX", "work", "offer")
    }
    assert {subject.lower() for subject in wanted} - await refused_to(
        name, installed_nats.url_of(name), set(), wanted
    ) == set()


def test_nats_soon_forgets_who_waits_for_an_answer() -> None:
    exports = re.findall(r'{ service: "([^}]*)}', accounts("", [], "A"))
    assert exports
    assert [each for each in exports if "threshold: " not in each] == []


async def test_a_request_that_is_refused_fails_at_once(installed_nats: EmbeddedNats) -> None:
    async with connected(installed_nats.url_of("report"), "report") as client:
        with pytest.raises(NotPermitted, match=r"cmd\.session\.create"):
            await client.request("cmd.session.create", timeout=600)


async def test_a_query_that_is_refused_is_unavailable_at_once(installed_nats: EmbeddedNats) -> None:
    async with connected(installed_nats.url_of("report"), "report") as client:
        with pytest.raises(Unavailable, match="NotPermitted"):
            await Bus(client, timeout=600).ask(feed_query("session")(after="0:0"), Envelope.begin())


async def test_a_refused_publish_is_counted_and_logged(
    installed_nats: EmbeddedNats, capsys: pytest.CaptureFixture[str]
) -> None:
    before = counted()
    async with connected(installed_nats.url_of("report"), "report") as client:
        await client.publish("$JS.API.STREAM.DELETE.EVT_SESSION")
        await client.flush()
    assert counted() == before + 1
    assert "$js.api.stream.delete.evt_session" in capsys.readouterr().out


def counted() -> float:
    return metrics_of("runtime").get_sample_value("bus_refused_total", {"kind": "publish"}) or 0


async def test_a_connection_with_the_user_of_another_service_gets_no_replies(installed_nats: EmbeddedNats) -> None:
    async with connected(installed_nats.url_of("report"), "session") as client:
        with pytest.raises(NotPermitted):
            await jetstream(client, timeout=600).account_info()


async def test_the_start_names_a_user_without_the_permissions_of_the_service(installed_nats: EmbeddedNats) -> None:
    with pytest.raises(CannotStart, match="no permissions for session"):
        await wait_for_bus(installed_nats.url_of("report"), "session", within=600, stop=asyncio.Event())


async def test_the_operator_may_do_everything(installed_nats: EmbeddedNats) -> None:
    assert await refused_to(OPERATOR, installed_nats.url, {*OF_NOBODY}, {">"}) == set()


@pytest.mark.parametrize("password", ["", "a b", "schlüssel", "line\nbreak", "$2a$11$hash"])
def test_a_password_that_nats_would_read_otherwise_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="password of report"):
        authorization({"report": password}, "A")


def test_an_unknown_user_is_refused() -> None:
    with pytest.raises(ValueError, match="'billing' is no user"):
        authorization({"billing": "secret"}, "A")
