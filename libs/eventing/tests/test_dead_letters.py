"""An operator sees what reactions have given up, and lets them try it again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from contracts.wire import DEAD_LETTERS
from eventing.bus import dead_letters
from eventing.dead_letter_job import DeadLetterSettings, run_dead_letters
from eventing.reactions import Reactions, Reactor
from eventing.reactions.replays import Replays
from eventing.testing import background, eventually
from eventing.testing.deliveries import dead_letter_count
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from runtime.bus import Client
from runtime.bus.jetstream import JetStream
from runtime.metrics import metrics_of

pytestmark = pytest.mark.usefixtures("fast_reactions")


class Failing(ReactionSpy):
    """A reaction that fails while `broken`."""

    broken = True

    def __init__(self) -> None:
        super().__init__(self._fail)

    async def _fail(self, *_: object) -> None:
        if self.broken:
            raise ValueError("the lid does not open")


async def give_up(reactor: Reactor[str], js: JetStream, number: int = 1) -> Failing:
    """Let a reaction give up some events."""
    spy = Failing()
    for _ in range(number):
        await publish(js, JarOpened.example())
    async with working((reactor, spy)):
        await eventually(lambda: _are_given_up(js, number))
    return spy


async def _are_given_up(js: JetStream, number: int) -> bool:
    return await dead_letter_count(js) == number


def replaying(reactor: Reactor[str], spy: ReactionSpy) -> Any:
    reactions = Reactions()
    reactions.add(spy.registration())
    return background(Replays(reactor, reactions).run())


type Command = Callable[..., Coroutine[None, None, int]]


@pytest.fixture
def command(nats_url: str) -> Command:
    """Provide the command of the operator, which returns its exit code."""

    async def run(action: str, *which: str, service: str = "shelf") -> int:
        settings = DeadLetterSettings(nats_url=nats_url, dependency_wait_seconds=10)
        try:
            await run_dead_letters(service, action, which, settings, asyncio.Event())
        except SystemExit as ended:
            return cast(int, ended.code)
        return 0

    return run


async def test_dead_letters_are_listed_with_their_reason_but_no_content(
    client: Client, js: JetStream, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    await give_up(replica(client), js, 2)
    capsys.readouterr()  # what was logged before
    assert await command("list") == 0
    first, second, total = capsys.readouterr().out.splitlines()
    assert ("open  evt.jar.opened" in first, "the lid does not open" in second) == (True, True)
    assert total == "2 dead letters of shelf, 2 of them listed"
    assert JarOpened.example().label not in first


async def test_a_dead_letter_is_shown_with_its_content(
    client: Client, js: JetStream, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    await give_up(replica(client), js, 2)
    capsys.readouterr()
    assert await command("show", "2") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("2  ")
    assert "\nce-type: evt.jar.opened\n" in shown
    assert f'"label": "{JarOpened.example().label}"' in shown


async def test_a_retried_dead_letter_is_reacted_to_and_removed(
    client: Client, js: JetStream, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    reactor = replica(client)
    spy = await give_up(reactor, js)
    before, spy.broken = len(spy.seen), False
    async with replaying(reactor, spy):
        await eventually(lambda: _succeeds(command, "retry", "open"))  # refused until the replica has subscribed
    assert len(spy.seen) == before + 1
    assert await dead_letter_count(js) == 0
    assert "1 of 1 dead letters done" in capsys.readouterr().out


async def _succeeds(command: Command, *arguments: str) -> bool:
    return await command(*arguments) == 0


async def test_dropped_dead_letters_are_gone_and_others_stay(client: Client, js: JetStream, command: Command) -> None:
    await give_up(replica(client), js, 3)
    assert await command("drop", "1", "3", "1") == 0
    [left] = await dead_letters.of_service(js, "shelf", "*", 10)
    assert left.sequence == 2


async def test_a_command_touches_only_dead_letters_of_its_service(
    client: Client, js: JetStream, command: Command
) -> None:
    await give_up(replica(client), js)
    assert await command("drop", "1", service="cupboard") == 1
    assert await command("drop", "all", service="cupboard") == 1
    assert await command("drop", "0", "2", "closed", "9" * 30, "a b", ">") == 1
    assert await dead_letter_count(js) == 1


async def test_which_to_drop_has_to_be_said(client: Client, js: JetStream, command: Command) -> None:
    await give_up(replica(client), js)
    assert await command("drop") == 2
    assert await dead_letter_count(js) == 1


async def test_a_dead_letter_whose_replay_fails_stays(client: Client, js: JetStream) -> None:
    reactor = replica(client)
    spy = await give_up(reactor, js)
    [letter] = await dead_letters.of_service(js, "shelf", "*", 10)
    async with replaying(reactor, spy):
        reason = await eventually(lambda: _reason(js, letter))
    assert "the lid does not open" in reason
    assert (await js.stream_info(DEAD_LETTERS)).state.messages == 1


async def _reason(js: JetStream, letter: dead_letters.DeadLetter) -> str | None:
    try:
        return await dead_letters.replay(js, "shelf", letter)
    except dead_letters.ServiceNotRunning:
        return None


async def test_a_replay_needs_a_running_service(client: Client, js: JetStream) -> None:
    await give_up(replica(client), js)
    [letter] = await dead_letters.of_service(js, "shelf", "*", 10)
    with pytest.raises(dead_letters.ServiceNotRunning, match="start one"):
        await dead_letters.replay(js, "shelf", letter)


async def test_the_number_of_dead_letters_that_are_read_is_bounded(client: Client, js: JetStream) -> None:
    await give_up(replica(client), js, 3)
    assert len(await dead_letters.of_service(js, "shelf", "open", 2)) == 2
    assert await dead_letters.of_service(js, "shelf", "other", 2) == []
    assert await dead_letters.of_service(js, "cupboard", "*", 2) == []


async def test_dead_letters_are_counted_by_reaction(client: Client, js: JetStream) -> None:
    reactor = replica(client)
    spy = await give_up(reactor, js, 2)
    async with replaying(reactor, spy):
        await eventually(lambda: metrics_of("eventing").get_sample_value("dead_letters", {"reaction": "open"}) == 2)
