"""Messages that are given up."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

from typing import Any, cast

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from eventing.streams import DEAD_LETTERS


async def publish(js: JetStreamContext, subject: str, message: Msg, reason: str) -> None:
    """Publish a message of a stream under `subject`, with the reason and its own subject in its headers, once."""
    headers = {**(message.headers or {}), "dead-reason": reason[:1000], "dead-subject": message.subject}
    headers = {name: value for name, value in headers.items() if not name.startswith("Nats-")}
    headers["Nats-Msg-Id"] = f"{subject}.{message.metadata.sequence.stream}"
    await js.publish(subject, message.data, stream=DEAD_LETTERS, headers=cast(dict[str, Any], headers))
