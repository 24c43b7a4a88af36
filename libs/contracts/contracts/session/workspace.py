"""All messages about the files of a session's workspace."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from contracts.files import ByteRange, FilePart, FilePrecondition, Part
from contracts.messages import Command, Message, Page, Query, View, Window
from contracts.samples import MESSAGE, SESSION, TIME
from contracts.wire import MAX_FILE_BYTES

type FileType = Literal["file", "directory", "symlink", "other"]


class FileView(View):
    """An entry of the workspace. Symlinks are not followed; `other` is a pipe, a socket or a device."""

    sample = {"path": "src/notes.txt", "type": "file", "size_bytes": 5, "modified_at": TIME}

    path: str = Field(description="Path, relative to the workspace.")
    type: FileType = Field(description="`file`, `directory`, `symlink`, or `other` for pipes, sockets and devices.")
    size_bytes: int = Field(description="Size in bytes.")
    modified_at: datetime = Field(description="Time of the last modification.")


class FilesPage(Page[FileView]):
    """One page of the files of a workspace; `truncated` if the workspace has more entries than can be listed."""

    truncated: bool = False


class FileWritten(Message):
    """A file that was written, with the `etag` of a download; `created` is false if it replaced another one."""

    file: FileView
    created: bool
    etag: str | None = None


class ListFiles(Window, Query[FilesPage]):
    """Return the entries of a workspace, ordered by path."""

    subject = "qry.session.list_files"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION}

    session_id: UUID


class ReadFile(ByteRange, Query[FilePart]):
    """Return a part of a file; with `etag`, only if the file has not changed since."""

    subject = "qry.session.read_file"
    sample = {"session_id": SESSION, "path": "src/notes.txt", "offset": 0, "length": 1024}

    session_id: UUID
    path: str


class UploadPart(Command[None]):
    """Stage a part of a file that is to be written."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    subject = "cmd.session.upload_part"
    sample = {"session_id": SESSION, "upload_id": MESSAGE, "offset": 0, "data": "aGVsbG8="}

    session_id: UUID
    upload_id: UUID
    offset: int = Field(ge=0, le=MAX_FILE_BYTES)
    data: Part


class DiscardUpload(Command[None]):
    """Remove the staged parts of an upload that was cut off. Does nothing if there are none."""

    subject = "cmd.session.discard_upload"
    sample = {"session_id": SESSION, "upload_id": MESSAGE}

    session_id: UUID
    upload_id: UUID


class WriteFile(FilePrecondition, Command[FileWritten]):
    """Write the `size` staged bytes of an upload to a file of the workspace, atomically."""

    subject = "cmd.session.write_file"
    sample = {"session_id": SESSION, "path": "src/notes.txt", "upload_id": MESSAGE, "size": 5}

    session_id: UUID
    path: str
    upload_id: UUID
    size: int = Field(ge=0, le=MAX_FILE_BYTES)


class DeleteFile(FilePrecondition, Command[None]):
    """Delete a file, a symlink, or a folder with its content."""

    subject = "cmd.session.delete_file"
    sample = {"session_id": SESSION, "path": "src/notes.txt"}

    session_id: UUID
    path: str
