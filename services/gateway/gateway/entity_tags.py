"""Entity tags (RFC 9110, 8.8 and 13): made of responses, and compared with those that requests are conditional on.

The tag of a resource that can be changed is `"<version>-<hash>"`. The hash is that of the path and the body, so it
changes with all that the client can see. The version is the aggregate's, and what a change is checked by.
"""

import re
from hashlib import blake2b

from contracts.refusals import Code
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.problems import EdgeCode, Problem

PATH_DIGITS, BODY_BYTES = 8, 12
_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_VERSIONED = re.compile(rf"(\d{{1,10}})-([0-9a-f]{{{PATH_DIGITS}}})[0-9a-f]+")
_KEPT = ("etag", "cache-control", "location", "content-location", "vary")
"""The headers that a 304 has like the 200 that it stands for."""


def tag_of(path: str, body: bytes, version: int | None, *, weak: bool = False) -> str:
    """Return the entity tag of a response."""
    prefix, digest = "" if version is None else f"{version}-", blake2b(body, digest_size=BODY_BYTES).hexdigest()
    return f'{"W/" if weak else ""}"{prefix}{_path_digits(path)}{digest}"'


def is_current(headers: Headers, tag: str) -> bool:
    """Return whether the client has the response with this tag (`If-None-Match`, compared weakly)."""
    if "if-none-match" not in headers:
        return False
    wanted = ",".join(headers.getlist("if-none-match"))
    return wanted.strip() == "*" or any(each == tag.removeprefix("W/") for _, each in _parsed(wanted))


def expected_versions(headers: Headers, path: str) -> tuple[int, ...]:
    """Return the versions that `If-Match` permits; none for `*`, or without the header, which permits all.

    Raises:
        Problem: the header is malformed, or none of its tags is one of this resource.
    """
    wanted = ",".join(headers.getlist("if-match"))
    if "if-match" not in headers or wanted.strip() == "*":
        return ()
    if not (tags := _parsed(wanted)):
        message = 'Must be `*`, or tags in double quotes, separated by commas, such as `"5-0f3a"`'
        error = {"loc": ["header", "If-Match"], "msg": message, "type": "invalid_tag"}
        raise Problem(EdgeCode.VALIDATION_ERROR, f"If-Match: {message}.", errors=[error])
    strong = [_VERSIONED.fullmatch(tag[1:-1]) for is_weak, tag in tags if not is_weak]
    versions = [int(found[1]) for found in strong if found and found[2] == _path_digits(path)]
    if not versions:
        raise failed()
    return tuple(versions)


def failed() -> Problem:
    """Return the problem of a change whose precondition does not hold."""
    detail = "The resource has none of the tags in `If-Match`. Read it again, and decide on its present state."
    return Problem(Code.PRECONDITION_FAILED, detail)


def not_modified(response: Response) -> Response:
    """Return the 304 for a response that the client has."""
    return Response(
        status_code=304, headers={name: response.headers[name] for name in _KEPT if name in response.headers}
    )


def _parsed(header: str) -> list[tuple[bool, str]]:
    """Return the tags in a list, each with whether it is weak; nothing if the list is malformed."""
    tags, position = list[tuple[bool, str]](), 0
    while position < len(header):
        if not (found := _TAG.match(header, position)):
            return []
        tags.append((found[1] is not None, f'"{found[2]}"'))
        position = found.end()
    return tags


def _path_digits(path: str) -> str:
    return blake2b(path.encode(errors="surrogateescape"), digest_size=PATH_DIGITS // 2).hexdigest()
