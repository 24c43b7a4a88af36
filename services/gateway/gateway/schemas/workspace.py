"""Models of workspace files."""

from typing import Annotated, Any

from contracts.samples import TIME
from contracts.session.workspace import FileView
from pydantic import Field

from gateway.schemas.base import ResponseModel, example
from gateway.schemas.lists import ListPage

_FILE: dict[str, Any] = {"path": "src/notes.txt", "type": "file", "size_bytes": 5, "modified_at": TIME}


class WorkspaceFile(FileView, ResponseModel):
    """A file, folder or symbolic link in a workspace; links are never followed."""

    model_config = example(_FILE)


class WorkspaceFilePage(ListPage[WorkspaceFile]):
    """A page of the files of a workspace, ordered by path."""

    truncated: Annotated[bool, Field(description="Whether the workspace has more files than the list can contain.")] = (
        False
    )
