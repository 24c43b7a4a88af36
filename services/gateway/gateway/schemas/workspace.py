"""Models of workspace files."""

from typing import Annotated

from contracts.session.workspace import FileView
from pydantic import Field

from gateway.schemas.base import ResponseModel
from gateway.schemas.lists import ListPage


class WorkspaceFile(FileView, ResponseModel):
    """A file, folder or symbolic link in a workspace; links are never followed."""


class WorkspaceFilePage(ListPage[WorkspaceFile]):
    """A page of the files of a workspace, ordered by path."""

    truncated: Annotated[bool, Field(description="Whether the workspace has more files than the list can contain.")] = (
        False
    )
