"""Variables in secrets, as in configurations of other clients: they are never expanded here."""

import re

from contracts.mcp_registry.values import ServerConnection
from contracts.refusals import Code

from mcp_connection.failures import ConnectionFailed

VARIABLE = re.compile(r"\$\{(?:env:|input:)?[A-Za-z_][A-Za-z0-9_.-]*(?::-[^}]*)?\}")
"""`${NAME}`, `${NAME:-default}`, `${env:NAME}`, `${input:name}`."""


def check_variables(server: ServerConnection) -> None:
    """Raise ConnectionFailed if a value of the environment or a header still contains a variable."""
    for field, values in (("env", server.env), ("headers", server.headers)):
        for name, value in values.items():
            if VARIABLE.search(value):
                detail = f"The value of {field}.{name} contains a variable. Set the value itself."
                raise ConnectionFailed(Code.VARIABLE_NOT_SET, detail)
