"""The rule for STDIO servers: who may start which programs."""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.mcp_registry.values import ServerDefinition
from contracts.refusals import Code, Refusal
from runtime.variable_names import runs_code


@dataclass(frozen=True)
class AllowedCommands:
    """The commands that every user may start, exactly as they are written; administrators may start any."""

    commands: frozenset[str]

    def problem(self, definition: ServerDefinition, variables: Iterable[str]) -> str | None:
        """Return why only administrators may have a server with variables of these names; None if everybody may."""
        if definition.server_type != "STDIO":
            return None
        if definition.command not in self.commands:
            known = f" Allowed are: {', '.join(sorted(self.commands))}." if self.commands else ""
            wanted = f"The operator can allow `{definition.command}` for all with `MCP_ALLOWED_COMMANDS`."
            return f"Only administrators may register programs. {wanted}{known}"
        chosen = [name for name in variables if runs_code(name)]
        return (
            f"env: only administrators can set {chosen[0]}, which makes a program run other code." if chosen else None
        )

    def check(self, definition: ServerDefinition, variables: Iterable[str], role: str | None) -> None:
        """Check that the owner of a server may have it; `role` is that of the owner, None if disabled or deleted.

        Raises:
            Refusal: COMMAND_NOT_ALLOWED.
        """
        problem = self.problem(definition, variables)
        if problem is not None and role != "admin":
            raise Refusal(Code.COMMAND_NOT_ALLOWED, problem)
