"""Files of a workspace, as clients see them."""

from typing import Any

from contracts.samples import TIME
from contracts.session.workspace import FileView

from gateway.schemas.lists import PageShown
from gateway.schemas.shown import Shown, example

_FILE: dict[str, Any] = {"path": "src/notes.txt", "type": "file", "size_bytes": 5, "modified_at": TIME}


class WorkspaceFile(FileView, Shown):
    """What lies at a path; a symlink is listed and never followed."""

    model_config = example(_FILE)


class WorkspaceFilePage(PageShown[WorkspaceFile]):
    """What lies in a workspace, in the order of paths; `truncated` when it holds more than is ever listed."""

    truncated: bool = False
