"""Dead letters: messages that are not delivered again."""

from typing import Any, cast

from contracts.wire import DEAD_LETTERS
from nats.aio.msg import Msg
from runtime.bus.jetstream import JetStream


async def publish(js: JetStream, subject: str, message: Msg, reason: str) -> None:
    """Publish a message of a stream under `subject`, with the reason and the original subject in its headers.

    Repeating it has no effect: the server drops the second message.
    """
    headers = {**(message.headers or {}), "dead-reason": reason[:1000], "dead-subject": message.subject}
    headers = {name: value for name, value in headers.items() if not name.startswith("Nats-")}
    headers["Nats-Msg-Id"] = f"{subject}.{message.metadata.sequence.stream}"
    await js.publish(subject, message.data, stream=DEAD_LETTERS, headers=cast(dict[str, Any], headers))
