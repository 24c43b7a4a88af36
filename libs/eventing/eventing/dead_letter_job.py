"""The command `python -m <package> dead-letters`: what the service has given up, for its operator."""

import asyncio
import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from pydantic import Field
from runtime import bus
from runtime.bus.jetstream import JetStream, jetstream
from runtime.bus.start import wait_for_bus
from runtime.process import ProcessSettings

from eventing.bus import dead_letters
from eventing.bus.dead_letters import DeadLetter

MAX_LETTERS = 100
"""How many are listed, shown, retried or dropped at once."""
ALL = "all"
NUMBER, NAME = re.compile(r"[1-9][0-9]{0,17}"), re.compile(r"[a-zA-Z_][\w-]*")
ACTIONS = ("list", "show", "retry", "drop")
WHICH = f"numbers from the list, a name from it, or '{ALL}'"


class DeadLetterSettings(ProcessSettings):
    """The address of the bus, with the user `operator` if each service has a user of its own."""

    nats_url: str = Field(repr=False)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the action, and what it is about."""
    parser.add_argument("action", choices=ACTIONS, help=f"what to do, with the oldest {MAX_LETTERS} at once")
    parser.add_argument("which", nargs="*", help=WHICH)


async def run_dead_letters(
    package: str, action: str, which: Sequence[str], settings: DeadLetterSettings, stop: asyncio.Event
) -> None:
    """List, show, retry or drop dead letters of the service in a package, and write what was done to standard output.

    Exits with 1 if there are none of these, or one fails again, and with 2 if it is not said which.

    Raises:
        CannotStart: the bus cannot be used.
        Stopped: `stop` was set while waiting for it.
    """
    if not which and action != "list":
        sys.exit(_fail(f"Say which to {action}: {WHICH}.", 2))
    await wait_for_bus(settings.nats_url, "dead-letters", within=settings.dependency_wait_seconds, stop=stop)
    async with bus.connected(settings.nats_url, "dead-letters") as client:
        js = jetstream(client)
        letters = await _chosen(js, package, which or [ALL])
        if action == "list":
            total = sum((await dead_letters.counts(js, package)).values()) if letters else 0
            _say(*map(str, letters), f"{total} dead letters of {package}, {len(letters)} of them listed")
        elif letters:
            await _treat(js, package, action, letters)
        else:
            sys.exit(_fail(f"{package} has no such dead letters.", 1))


async def _chosen(js: JetStream, service: str, which: Sequence[str]) -> list[DeadLetter]:
    """Return the oldest dead letters with these numbers or names, each once."""
    found = dict[int, DeadLetter]()
    for each in which:
        letters = list[DeadLetter]()
        if NUMBER.fullmatch(each):
            next_letter = await dead_letters.of_service(js, service, "*", 1, after=int(each) - 1)
            letters = [letter for letter in next_letter if letter.sequence == int(each)]
        elif NAME.fullmatch(each):
            letters = await dead_letters.of_service(js, service, "*" if each == ALL else each, MAX_LETTERS)
        found |= {letter.sequence: letter for letter in letters}
    return [found[number] for number in sorted(found)][:MAX_LETTERS]


async def _treat(js: JetStream, service: str, action: str, letters: Sequence[DeadLetter]) -> None:
    done = 0
    for letter in letters:
        match action:
            case "show":
                _say(str(letter), letter.content, "")
            case "drop":
                await dead_letters.drop(js, letter)
                _say(f"{letter}\n    dropped")
            case _:
                reason = await _retry(js, service, letter)
                _say(f"{letter}\n    {f'failed again: {reason}' if reason else 'done'}")
                done += reason is None
    if action == "retry":
        _say(f"{done} of {len(letters)} dead letters done")
        if done < len(letters):
            sys.exit(1)


async def _retry(js: JetStream, service: str, letter: DeadLetter) -> str | None:
    try:
        return await dead_letters.replay(js, service, letter)
    except dead_letters.ServiceNotRunning as error:
        sys.exit(_fail(str(error), 1))


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code
