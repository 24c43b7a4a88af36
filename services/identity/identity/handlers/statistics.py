"""Handlers of commands about the use of the API."""

from contracts.identity.statistics import RecordApiCalls
from eventing.handling import Handlers

from identity.dependencies import Work

handles = Handlers()


@handles
async def record_api_calls(command: RecordApiCalls, work: Work) -> None:
    """Store how many API calls a process of the gateway has answered. That is no event: it is reported every 5 s."""
    await work.dependencies.api_calls.record(command.process_id, command.calls)
