"""Models of the authorization of MCP servers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from contracts.mcp_registry.authorization import ReturnAuthorization, StartAuthorization
from contracts.mcp_registry.oauth import OAuthClient
from contracts.samples import TIME
from pydantic import Field, StringConstraints, ValidationError, model_validator
from starlette.datastructures import QueryParams

from gateway import ids
from gateway.problems.validation_messages import field_error
from gateway.schemas.base import RequestBody, SecretResponse, pattern_rule

MAX_CLIENT_ID, MAX_CLIENT_SECRET, MAX_SCOPE = 2000, 4000, 2000


class NewMcpAuthorization(RequestBody):
    """How to authorize an MCP server; everything may be omitted."""

    sample = {"client_id": "agentapi", "client_secret": "s3cret", "scope": "read write"}

    client_id: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_CLIENT_ID)] | None,
        Field(description="Id of a client that the authorization server knows; null to have one registered."),
    ] = None
    client_secret: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_CLIENT_SECRET)] | None,
        Field(repr=False, description="Secret of that client; null if it has none. It is stored encrypted."),
    ] = None
    scope: Annotated[
        Annotated[
            str,
            StringConstraints(pattern=r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$", max_length=MAX_SCOPE),
            pattern_rule("Must be scopes in ASCII, separated by single spaces, without quotes and backslashes"),
        ]
        | None,
        Field(description="Scopes, separated by spaces; null for those that the server asks for."),
    ] = None

    @model_validator(mode="after")
    def _has_a_client(self) -> "NewMcpAuthorization":
        if self.client_secret is not None and self.client_id is None:
            raise field_error("client_id", "`client_secret` needs `client_id`")
        return self

    def command(self, server_id: UUID) -> StartAuthorization:
        """Return the command."""
        client = OAuthClient(client_id=self.client_id, client_secret=self.client_secret) if self.client_id else None
        return StartAuthorization(server_id=server_id, authorization_id=ids.new_id(), client=client, scope=self.scope)


class McpAuthorization(SecretResponse):
    """What a user has to do in order to authorize an MCP server."""

    sample = {"authorization_url": "https://auth.example.com/authorize?response_type=code", "expires_at": TIME}

    authorization_url: Annotated[
        str, Field(repr=False, description="URL that the user opens in a browser, and consents there.")
    ]
    expires_at: Annotated[datetime, Field(description="Time until which the user has to return.")]


def returned(parameters: QueryParams, secret: dict[str, Any]) -> ReturnAuthorization | None:
    """Return the command for the response of an authorization server; None if that cannot be one of ours.

    `secret` holds the fields of the browser that sends it.

    Other parameters are ignored, as OAuth requires.
    """
    names = {"state": "state", "code": "code", "issuer": "iss", "error": "error"}
    sent = {field: parameters[name] for field, name in names.items() if name in parameters}
    try:
        return ReturnAuthorization.model_validate(sent | secret)
    except ValidationError:
        return None
