"""Files that clients upload in forms. They are read by the routes, after these have authorized the client."""

from typing import Any

from contracts.wire import MAX_FORM_BYTES
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from gateway.problems import EdgeCode, Problem

MEDIA_TYPE = "multipart/form-data"
FILE = "file"
"""The name of the only field."""
PROBLEMS = (EdgeCode.PAYLOAD_TOO_LARGE, EdgeCode.UNSUPPORTED_MEDIA_TYPE)
_FILE = {"type": "string", "format": "binary", "description": "The file, at most 5 MiB."}
_SCHEMA = {"type": "object", "properties": {"file": _FILE}, "required": ["file"], "additionalProperties": False}
BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}}
"""The form in the OpenAPI document."""


async def uploaded_file(request: Request) -> bytes:
    """Return the content of the `file` in a form; it is not written to disk.

    Raises:
        Problem: the body is not a form.
        RequestValidationError: the form is malformed, has no file, or has other fields.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Problem(EdgeCode.UNSUPPORTED_MEDIA_TYPE, f"The body must be {MEDIA_TYPE}, with a `file`.")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=10, max_part_size=1024)
    parser.spool_max_size = MAX_FORM_BYTES
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestValidationError([_error("form", error.message.rstrip("."))]) from None
    try:
        file = form.get(FILE)
        if not isinstance(file, UploadFile):
            raise RequestValidationError([_error("missing")])
        if unknown := [_error("extra_forbidden", field=name) for name, _ in form.multi_items() if name != FILE]:
            raise RequestValidationError(unknown)
        return await file.read()
    finally:
        await form.close()


def _error(kind: str, text: str = "", *, field: str = FILE) -> dict[str, Any]:
    return {"loc": ("body", field), "msg": text, "type": kind}
