"""The files of a session's workspace."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from contracts.files import ByteRange, FilePart, Part
from contracts.messages import Command, Message, Page, Query, Window
from contracts.samples import MESSAGE, SESSION
from contracts.wire import MAX_UPLOAD_BYTES

type FileType = Literal["file", "directory", "symlink", "other"]


class FileView(Message):
    """What lies at a path of the workspace; a symlink stands for itself, `other` is a pipe, a socket or a device."""

    path: str
    type: FileType
    size_bytes: int
    modified_at: datetime


class FilesPage(Page[FileView]):
    """One page of a workspace; `truncated` when it holds more than is ever listed."""

    truncated: bool = False


class FileWritten(Message):
    """A file was stored; `created` when there was none."""

    file: FileView
    created: bool


class ListFiles(Window, Query[FilesPage]):
    """Asks for all that lies in a workspace, in the order of paths."""

    subject = "qry.session.list_files"
    sample = {"session_id": SESSION}

    session_id: UUID


class ReadFile(ByteRange, Query[FilePart]):
    """Asks for a part of a file; with `etag`, only if the file is still in that state."""

    subject = "qry.session.read_file"
    sample = {"session_id": SESSION, "path": "src/notes.txt", "offset": 0, "length": 1024}

    session_id: UUID
    path: str


class UploadPart(Command[None]):
    """Puts bytes aside, for a file that is to be written."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    subject = "cmd.session.upload_part"
    sample = {"session_id": SESSION, "upload_id": MESSAGE, "offset": 0, "data": "aGVsbG8="}

    session_id: UUID
    upload_id: UUID
    offset: int = Field(ge=0, le=MAX_UPLOAD_BYTES)
    data: Part


class WriteFile(Command[FileWritten]):
    """Makes the `size` bytes that were put aside a file of the workspace: whole, or not at all."""

    subject = "cmd.session.write_file"
    sample = {"session_id": SESSION, "path": "src/notes.txt", "upload_id": MESSAGE, "size": 5}

    session_id: UUID
    path: str
    upload_id: UUID
    size: int = Field(ge=0, le=MAX_UPLOAD_BYTES)


class DeleteFile(Command[None]):
    """Removes a file, a symlink, or a folder with all that is in it."""

    subject = "cmd.session.delete_file"
    sample = {"session_id": SESSION, "path": "src/notes.txt"}

    session_id: UUID
    path: str
