"""Sending an answer, with the delays and faults of its turn."""

import asyncio
import json
from contextlib import suppress

from aiohttp import web

from simulator.events import Cut, Pause, Step, steps
from simulator.script import Turn
from simulator.wire import Json, new_id


async def send_json(request: web.Request, answer: Json, turn: Turn) -> web.StreamResponse:
    """Send `answer` as one JSON response."""
    await asyncio.sleep(turn.delay + turn.stall)
    if turn.cut:
        _hang_up(request)
    return web.json_response(answer, headers={"request-id": new_id("req")})


async def send_events(request: web.Request, answer: Json, turn: Turn) -> web.StreamResponse:
    """Send `answer` as server-sent events."""
    response = web.StreamResponse(headers={"cache-control": "no-cache", "request-id": new_id("req")})
    response.content_type = "text/event-stream"
    await response.prepare(request)
    await asyncio.sleep(turn.delay)
    with suppress(ConnectionResetError):
        for step in steps(answer, turn):
            await _play(step, request, response)
    return response


async def _play(step: Step, request: web.Request, response: web.StreamResponse) -> None:
    match step:
        case Pause():
            await asyncio.sleep(step.seconds)
        case Cut():
            _hang_up(request)
        case _:
            await response.write(f"event: {step['type']}\ndata: {json.dumps(step)}\n\n".encode())


def _hang_up(request: web.Request) -> None:
    if request.transport:
        request.transport.close()
