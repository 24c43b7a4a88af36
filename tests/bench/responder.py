"""The far end of two hops of `hops`: answers on the bus, with plain nats-py and as a service does, and does nothing."""

import asyncio
from typing import Any, cast

from contracts.messages import Command
from contracts.session.session import CreateSession
from contracts.session.session_view import SessionView
from eventing.handling import Handlers, UnitOfWork, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.store.memory import MemoryStore
from nats.aio.msg import Msg
from runtime import bus, clock, process
from runtime.process import ProcessSettings

RAW = "bench.raw"

handles = Handlers()


class Settings(ProcessSettings):
    """Where the bus is."""

    nats_url: str


class Echo(Command[SessionView]):
    """As large as the command that makes a session, and its answer as large as that."""

    subject = "cmd.bench.echo"
    sample = CreateSession.sample

    command: CreateSession


@handles
async def echo(command: Echo, work: UnitOfWork[None]) -> SessionView:
    """Answer at once."""
    return view(command.command)


def view(command: CreateSession) -> SessionView:
    """Return the view of a new session."""
    now = clock.now()
    return SessionView.model_validate(
        {
            **command.model_dump(include={"name", "mode", "sdk_options"}),
            "id": command.session_id,
            "user_id": command.session_id,
            "status": "created",
            "working_directory_path": f"/workspaces/{command.session_id}",
            "parent_session_id": None,
            "is_fork": False,
            "total_messages": 0,
            "total_tool_calls": 0,
            "total_cost_usd": 0,
            "api_input_tokens": 0,
            "api_output_tokens": 0,
            "created_at": now,
            "started_at": None,
            "updated_at": now,
            "metadata": {},
        }
    )


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Answer until stopped."""
    answer = view(CreateSession.example()).model_dump_json().encode()

    async def raw(message: Msg) -> None:
        await message.respond(answer)

    dispatcher = Dispatcher(MemoryStore({}), cast(Any, None), None, handles, Handlers())
    async with bus.connected(settings.nats_url, "raw") as client:
        await cast(Any, client).subscribe(RAW, cb=raw)
        async with subscribers.serving(settings.nats_url, "bench", dispatcher):
            await stop.wait()


if __name__ == "__main__":
    process.run("responder", Settings, main)
