"""Prints the events of a bus user, one JSON object a line: `python subscribe.py bus-user.json`.

The file is the response to `POST /api/v1/auth/bus-users`. It needs `pip install "nats-py[nkeys]"`.
"""

# pyright: reportUnknownMemberType=false
# nats-py does not annotate its options.

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import nats
import nats.errors


async def main(user: dict[str, Any]) -> None:
    """Print events until the bus user is revoked."""
    ended = asyncio.Event()

    async def end() -> None:
        ended.set()

    client = await nats.connect(
        user["url"],
        nkeys_seed_str=user["seed"],
        inbox_prefix=user["inbox_prefix"],
        max_reconnect_attempts=3,
        reconnect_time_wait=0.5,
        closed_cb=end,
    )
    jetstream = client.jetstream(domain=user["domain"])
    events = await jetstream.pull_subscribe_bind(user["consumer"], user["stream"])
    sys.stderr.write("connected\n")
    while not ended.is_set():
        try:
            messages = await events.fetch(100, timeout=5)
        except nats.errors.TimeoutError:
            continue
        except nats.errors.ConnectionClosedError:
            break
        for message in messages:
            headers = message.headers or {}
            event = {"id": headers["ce-id"], "type": headers["ce-type"], "data": json.loads(message.data)}
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()
            await message.ack()  # only now: an event that is not acknowledged is redelivered after 30 s
    sys.stderr.write("revoked\n")


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
