"""Registers the servers of a file one after the other; a server that is refused does not keep out the others."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from contracts.mcp_registry.names import name_key
from contracts.mcp_registry.server import ServerChanges, ServerExport, SetServerEnabled, UpdateServer
from contracts.mcp_registry.server_view import ServerView
from contracts.refusals import Code, Refusal

from gateway import ids
from gateway.clients.auth.callers import Anyone
from gateway.problems import EdgeCode
from gateway.schemas.mcp_file import FailedServer, ImportedServer, ImportResult, OnConflict
from gateway.schemas.mcp_server import NewMcpServer
from gateway.server_files.formats import Entry

MAX_NAME = 64
"""Characters of a name."""


@dataclass
class Importer:
    """One import: the servers that its user owns, by name, and what it has done so far."""

    caller: Anyone
    on_conflict: OnConflict
    owned: dict[str, ServerExport | ServerView]
    imported: list[ImportedServer] = field(default_factory=list[ImportedServer])
    skipped: int = 0
    failed: list[FailedServer] = field(default_factory=list[FailedServer])

    async def run(self, entries: Iterable[Entry]) -> ImportResult:
        """Import the servers of a file.

        Raises:
            Unavailable: the registry did not answer. The servers before are imported; with `skip` and `replace`, it is
                safe to repeat the import.
        """
        for entry in entries:
            if entry.server is None:
                self._fail(entry.name, EdgeCode.VALIDATION_ERROR, entry.error)
                continue
            try:
                await self._import(entry.server)
            except Refusal as refusal:
                if refusal.code is Code.SERVER_NAME_TAKEN and self.on_conflict == "skip":
                    self.skipped += 1  # registered since the import began
                else:
                    self._fail(entry.name, refusal.code, refusal.detail)
        return ImportResult(
            imported_count=len(self.imported), skipped_count=self.skipped, servers=self.imported, errors=self.failed
        )

    async def _import(self, server: NewMcpServer) -> None:
        server_id = ids.new_id(name_key(server.name))
        owned = self.owned.get(name_key(server.name))
        if earlier := next((each for each in self.owned.values() if each.id == server_id), None):
            self._record(earlier)  # an earlier attempt at this request has created it
        elif owned is None:
            await self._create(server, server_id)
        elif self.on_conflict == "rename":
            await self._create(server.model_copy(update={"name": self._free_name(server.name)}), server_id)
        elif self.on_conflict == "skip":
            self.skipped += 1
        elif owned.server_type != server.server_type:
            detail = f"server_type: the existing server is {owned.server_type}, which cannot change. Delete it first."
            self._fail(server.name, EdgeCode.VALIDATION_ERROR, detail)
        else:
            await self._replace(owned, server)

    async def _create(self, server: NewMcpServer, server_id: UUID) -> None:
        self._record(await self.caller.ask(server.command(server_id)))

    async def _replace(self, owned: ServerExport | ServerView, server: NewMcpServer) -> None:
        """Replace the fields of a server that the file has; an export without secrets leaves these as they are."""
        changes = server.values(sent=True)
        del changes["server_type"]
        is_enabled = changes.pop("is_enabled", owned.is_enabled)
        view = await self.caller.ask(UpdateServer(server_id=owned.id, changes=ServerChanges(**changes)))
        if is_enabled != owned.is_enabled:
            view = await self.caller.ask(SetServerEnabled(server_id=owned.id, is_enabled=is_enabled))
        self._record(view)

    def _record(self, view: ServerView | ServerExport) -> None:
        self.owned[name_key(view.name)] = view  # the file may have the name again
        self.imported.append(ImportedServer(id=view.id, name=view.name))

    def _fail(self, name: str, code: Code | EdgeCode, detail: str) -> None:
        self.failed.append(FailedServer(name=name, detail=detail, error_code=code))

    def _free_name(self, name: str) -> str:
        names = (name[: MAX_NAME - len(f" {number}")] + f" {number}" for number in count(2))
        return next(free for free in names if name_key(free) not in self.owned)


def owned_by_name(servers: Iterable[ServerExport]) -> dict[str, ServerExport | ServerView]:
    """Return the servers by their names in the form in which these are compared."""
    return {name_key(server.name): server for server in servers}
