"""Entity tags (RFC 9110, 8.8 and 13): made of responses, and compared with those that requests are conditional on.

The tag of a resource that can be changed is `"<version>-<hash>"`. The hash is that of the path and the body, so it
changes with all that the client can see. The version is the aggregate's, and what a change is checked by.
"""

import re
from hashlib import blake2b

from contracts.files import FilePrecondition
from contracts.refusals import Code
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.problems import EdgeCode, Problem

PATH_DIGITS, BODY_BYTES = 8, 12
_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_VERSIONED = re.compile(rf"(\d{{1,10}})-([0-9a-f]{{{PATH_DIGITS}}})[0-9a-f]+")
ANY = [(False, "*")]
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
    tags = _condition(headers, "If-Match")
    if tags is None or tags == ANY:
        return ()
    strong = [_VERSIONED.fullmatch(tag[1:-1]) for is_weak, tag in tags if not is_weak]
    versions = [int(found[1]) for found in strong if found and found[2] == _path_digits(path)]
    if not versions:
        detail = "The resource has none of the tags in `If-Match`. Read it again, and decide on its present state."
        raise Problem(Code.PRECONDITION_FAILED, detail)
    return tuple(versions)


def file_precondition(headers: Headers) -> FilePrecondition:
    """Return what `If-Match`, compared strongly, and `If-None-Match` require of a file that is to be changed.

    Raises:
        Problem: one of the headers is malformed.
    """
    match, none_match = _condition(headers, "If-Match"), _condition(headers, "If-None-Match")
    return FilePrecondition(
        if_match=None if match is None else tuple(tag.strip('"') for is_weak, tag in match if not is_weak),
        if_none_match=tuple(tag.strip('"') for _, tag in none_match or ()),
    )


def not_modified(response: Response) -> Response:
    """Return the 304 for a response that the client has."""
    return Response(
        status_code=304, headers={name: response.headers[name] for name in _KEPT if name in response.headers}
    )


def _condition(headers: Headers, name: str) -> list[tuple[bool, str]] | None:
    """Return the tags in a header, as `_parsed` does, or `ANY` for `*`; None without the header.

    Raises:
        Problem: the header is malformed.
    """
    if name not in headers:
        return None
    wanted = ",".join(headers.getlist(name))
    tags = ANY if wanted.strip() == "*" else _parsed(wanted)
    if not tags:
        message = 'Must be `*`, or tags in double quotes, separated by commas, such as `"5-0f3a"`'
        error = {"loc": ["header", name], "msg": message, "type": "invalid_tag"}
        raise Problem(EdgeCode.VALIDATION_ERROR, f"{name}: {message}.", errors=[error])
    return tags


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
