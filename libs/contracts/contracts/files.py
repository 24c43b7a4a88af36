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


class FilePrecondition(Message):
    """The state that a file must have to be changed, by its `etag`; `*` stands for that of any file.

    With `if_match`, the file has one of these tags. It has none of those in `if_none_match`.
    """

    if_match: tuple[str, ...] | None = None
    if_none_match: tuple[str, ...] = ()

    def permits(self, etag: str | None) -> bool:
        """Return whether a file with this tag may be changed; None if there is no file."""
        matches = self.if_match is None or _is_one_of(self.if_match, etag)
        return matches and not _is_one_of(self.if_none_match, etag)


def _is_one_of(tags: tuple[str, ...], etag: str | None) -> bool:
    return etag is not None and ("*" in tags or etag in tags)


class FilePart(Message):
    """The bytes of a file from an offset on. `etag` identifies the version of the file that was read."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    size_bytes: int
    modified_at: datetime
    etag: str
    content_type: str = DEFAULT_CONTENT_TYPE
    data: Part
