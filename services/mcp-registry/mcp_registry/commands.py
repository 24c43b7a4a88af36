"""The rule for STDIO servers: who may start which programs."""

from dataclasses import dataclass

from contracts.mcp_registry.values import ServerDefinition
from contracts.refusals import Code, Refusal


@dataclass(frozen=True)
class AllowedCommands:
    """The commands that every user may start, exactly as they are written; administrators may start any."""

    commands: frozenset[str]

    def allow_everybody(self, definition: ServerDefinition) -> bool:
        """Return whether every user may have a server with this definition."""
        return definition.server_type != "STDIO" or definition.command in self.commands

    def check(self, definition: ServerDefinition, role: str | None) -> None:
        """Check that the owner of a server may have it; `role` is that of the owner, None if disabled or deleted.

        Raises:
            Refusal: COMMAND_NOT_ALLOWED.
        """
        if role == "admin" or self.allow_everybody(definition):
            return
        known = ", ".join(sorted(self.commands))
        allowed = f"Others may use: {known}." if known else "Others may use HTTP and SSE servers only."
        detail = f"Only administrators can have STDIO servers with the command {definition.command!r}. {allowed}"
        raise Refusal(Code.COMMAND_NOT_ALLOWED, detail)
