"""Requests to the URL of a trigger, as Standard Webhooks defines them: secrets, signatures, and bodies."""

import base64
import hmac
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from contracts.refusals import Code, Refusal
from contracts.task_scheduler.trigger import FireTrigger
from contracts.task_scheduler.values import Variables
from runtime.nesting import MAX_DEPTH, too_deep
from standardwebhooks import Webhook

TOLERANCE = timedelta(minutes=5)
"""How far the timestamp of a request may be from the present."""
MAX_BODY_BYTES = 64 * 1024
MAX_ID_CHARACTERS = 256
PAYLOAD = "payload"
"""The variable that holds the whole body."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL character, which PostgreSQL cannot store; not the text of its escape, where the backslash is escaped."""


def new_secret() -> str:
    """Return a new random secret, in the form of Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


_UNKNOWN = new_secret()
"""Stands for a secret that does not exist, so that checking a request takes the same time. Nobody knows it."""


def is_authentic(request: FireTrigger, current: str | None, previous: str | None, now: datetime) -> bool:
    """Return whether a request was signed with one of two secrets, and recently. None means that there is none.

    The same work is done whatever the request contains, so that its duration reveals nothing.
    """
    signed_at = _time(request.webhook_timestamp)
    results = [_is_signed(request, signed_at, secret or _UNKNOWN) for secret in (current, previous)]
    return any(results) and abs(now - signed_at) <= TOLERANCE


def variables_of(request: FireTrigger) -> Variables:
    """Return the variables of an execution: the members of the body whose names can be variables, and `payload`.

    Raises:
        Refusal: WEBHOOK_BODY_INVALID.
    """
    if len(request.webhook_id) > MAX_ID_CHARACTERS:
        raise _invalid(f"webhook-id: must be at most {MAX_ID_CHARACTERS} characters")
    payload = _parsed(request.body)
    return {name: value for name, value in payload.items() if name.isidentifier()} | {PAYLOAD: payload}


def _time(header: str) -> datetime:
    # Only digits: the signature covers the text of the header, which has to be restored from the time.
    valid = header.isascii() and header.isdecimal() and len(header) <= 11
    return datetime.fromtimestamp(int(header) if valid else 0, UTC)


def _is_signed(request: FireTrigger, signed_at: datetime, secret: str) -> bool:
    # The library's `verify` reads the clock; `sign` does not. Bytes that are not UTF-8 are replaced: the signature of
    # such a body does not match.
    expected = Webhook(secret).sign(request.webhook_id, signed_at, request.body.decode(errors="replace")).encode()
    signatures = request.webhook_signature.encode(errors="replace").split(b" ")
    return any(hmac.compare_digest(expected, each) for each in signatures)


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise _invalid(f"must be at most {MAX_BODY_BYTES} bytes")
    try:
        payload: Any = json.loads(body.decode())
        json.dumps(payload, allow_nan=False, ensure_ascii=False).encode()  # no infinities and no lone surrogates
    except (ValueError, RecursionError):
        raise _invalid("must be valid JSON in UTF-8") from None
    if not isinstance(payload, dict):
        raise _invalid("must be a JSON object")
    if too_deep(payload):
        raise _invalid(f"must not be nested more than {MAX_DEPTH} levels deep")
    if _NUL.search(body):
        raise _invalid("must not contain NUL characters")
    return cast(dict[str, Any], payload)


def _invalid(problem: str) -> Refusal:
    return Refusal(Code.WEBHOOK_BODY_INVALID, f"The body of the request is not valid: {problem}.")
