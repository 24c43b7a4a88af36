"""The routes of the Messages API that Claude Code uses."""

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from simulator import delivery, wire
from simulator.conversation import Conversation
from simulator.player import Player
from simulator.prompt import InvalidScript
from simulator.script import describe_errors

MAX_BODY_BYTES = 32 * 2**20
log = logging.getLogger(__name__)
PLAYER = web.AppKey("player", Player)


def create_app() -> web.Application:
    """Create the application of a simulator, without any counted failures."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors_as_responses])
    app[PLAYER] = Player()
    app.router.add_post("/v1/messages", _messages)
    app.router.add_post("/v1/messages/count_tokens", _count_tokens)
    app.router.add_get("/health/ready", _ready)
    app.router.add_route("*", "/{path:.*}", _not_found)
    return app


async def _messages(request: web.Request) -> web.StreamResponse:
    raw = await request.read()
    conversation = Conversation.model_validate_json(raw)
    turn = request.app[PLAYER].turn(conversation)
    await asyncio.sleep(turn.hang)
    if turn.status:
        await asyncio.sleep(turn.delay)
        return _failure(turn.status, f"simulated {turn.status}")
    answer = wire.message(turn, conversation.model, wire.tokens(len(raw)))
    send = delivery.send_events if conversation.stream else delivery.send_json
    return await send(request, answer, turn)


async def _count_tokens(request: web.Request) -> web.Response:
    raw = await request.read()
    Conversation.model_validate_json(raw)
    return web.json_response({"input_tokens": wire.tokens(len(raw))})


async def _ready(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


async def _not_found(request: web.Request) -> web.Response:
    return _failure(404, f"not found: {request.method} {request.path}")


@web.middleware
async def _errors_as_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ValidationError as error:
        return _failure(400, describe_errors(error))
    except InvalidScript as error:
        log.warning("%s", error)
        return _failure(400, str(error))
    except web.HTTPException as error:
        return _failure(error.status, error.reason)


def _failure(status: int, message: str) -> web.Response:
    body = wire.error(status, message)
    return web.json_response(body, status=status, headers={"request-id": body["request_id"]})
