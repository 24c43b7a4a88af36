"""Dead letters: messages that are not delivered again, until an operator replays them."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from contracts.wire import DEAD_LETTERS, dead_letter_subject, replay_subject
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.errors import NotFoundError
from runtime.bus import Client, ordered
from runtime.bus.jetstream import JetStream, client_of, subject_counts

REASON, SUBJECT = "dead-reason", "dead-subject"
REPLAY_SECONDS = 120.0
"""How long the replay of one message may take."""


class ServiceNotRunning(Exception):
    """No replica of the service is running, so nothing can be replayed."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up by the reaction, projector or relay `name` of a service."""

    sequence: int
    name: str
    at: datetime
    message: Msg

    @property
    def content(self) -> str:
        """The headers and the body, for an operator."""
        try:
            body = json.dumps(json.loads(self.message.data), indent=2, ensure_ascii=False)
        except ValueError:
            body = repr(self.message.data)
        return "\n".join([*(f"{name}: {value}" for name, value in (self.message.headers or {}).items()), "", body])

    def __str__(self) -> str:
        """Return one line for an operator, without the content."""
        headers = self.message.headers or {}
        return f"{self.sequence}  {self.at:%Y-%m-%d %H:%M}  {self.name}  {headers.get(SUBJECT)}: {headers.get(REASON)}"


async def publish(js: JetStream, subject: str, message: Msg, reason: str) -> None:
    """Publish a message of a stream under `subject`, with the reason and the original subject in its headers.

    Repeating it has no effect: the server drops the second message.
    """
    headers = {**(message.headers or {}), REASON: reason[:1000], SUBJECT: message.subject}
    headers = {name: value for name, value in headers.items() if not name.startswith("Nats-")}
    headers["Nats-Msg-Id"] = f"{subject}.{message.metadata.sequence.stream}"
    await js.publish(subject, message.data, stream=DEAD_LETTERS, headers=cast(dict[str, Any], headers))


async def counts(js: JetStream, service: str) -> dict[str, int]:
    """Return how many dead letters there are of each reaction and projector of a service, by its name."""
    found = await subject_counts(js, DEAD_LETTERS, dead_letter_subject(service, ">"))
    return {subject.rpartition(".")[2]: number for subject, number in found.items()}


async def of_service(js: JetStream, service: str, name: str, limit: int, after: int = 0) -> list[DeadLetter]:
    """Return the oldest dead letters of a service after a number, of the reaction `name` (`*`: of all)."""
    letters = list[DeadLetter]()
    with suppress(NotFoundError):  # no service has run yet
        subject = dead_letter_subject(service, name)
        reading = ordered.messages(js, DEAD_LETTERS, after, subject, stored=True)
        async with aclosing(reading) as batches:
            async for letter in _letters(batches):
                if len(letters) == limit:
                    break
                letters.append(letter)
    return letters


async def _letters(batches: AsyncGenerator[list[Msg]]) -> AsyncGenerator[DeadLetter]:
    async for batch in batches:
        for message in batch:
            metadata = message.metadata
            yield DeadLetter(metadata.sequence.stream, message.subject.rpartition(".")[2], metadata.timestamp, message)


async def replay(js: JetStream, service: str, letter: DeadLetter) -> str | None:
    """Let a replica of the service react to a dead letter again, and delete it; return the reason if that fails.

    Raises:
        ServiceNotRunning: there is no replica.
        nats.errors.Error: the bus is unavailable, or it took longer than `REPLAY_SECONDS`.
    """
    client, message = cast(Client, client_of(js)), letter.message
    subject, headers = replay_subject(service), {**(message.headers or {}), SUBJECT: letter.name}
    try:
        answer = await client.request(subject, message.data, timeout=REPLAY_SECONDS, headers=headers)
    except NoRespondersError:
        raise ServiceNotRunning(f"no replica of {service} is running: start one, and repeat the command") from None
    if answer.data:
        return answer.data.decode()
    await drop(js, letter)
    return None


async def drop(js: JetStream, letter: DeadLetter) -> None:
    """Delete a dead letter; one that somebody else has deleted meanwhile is no error."""
    with suppress(NotFoundError):
        await js.delete_msg(DEAD_LETTERS, letter.sequence)
