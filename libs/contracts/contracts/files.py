"""Files are transferred in parts of a bounded size, so that no message grows with a file."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from contracts.messages import Message
from contracts.wire import MAX_PART_BYTES

DEFAULT_CONTENT_TYPE = "application/octet-stream"

type Part = Annotated[bytes, Field(max_length=MAX_PART_BYTES)]


class ByteRange(Message):
    """The requested range of a file, in bytes; with `etag`, only if the file has not changed since."""

    offset: int = Field(default=0, ge=0, le=2**62)
    length: int = Field(default=MAX_PART_BYTES, ge=0, le=MAX_PART_BYTES)
    etag: str | None = None


class FilePart(Message):
    """The bytes of a file from an offset on. `etag` identifies the version of the file that was read."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    size_bytes: int
    modified_at: datetime
    etag: str
    content_type: str = DEFAULT_CONTENT_TYPE
    data: Part
