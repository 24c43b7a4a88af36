"""Translation of errors into reasons for users. They hold nothing that a server or a library wrote into an error."""

import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import cast

import httpx2
from contracts.refusals import Code
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError
from runtime.http.addresses import AddressNotAllowed, HostNotFound
from runtime.http.guarded_client import ResponseNotAllowed

from mcp_connection.failures import ConnectionFailed

INSUFFICIENT_SCOPE = "insufficient_scope"
INVALID_URL = (Code.ADDRESS_NOT_ALLOWED, "The URL of the server is not valid.")
NOT_IN_TIME = (Code.MCP_SERVER_TIMEOUT, "The server did not answer in time.")
NOT_CONFORMING = (Code.MCP_SERVER_INVALID, "The server's answer does not conform to the protocol.")
REASONS: Mapping[type[BaseException], tuple[Code, str]] = {
    AddressNotAllowed: (Code.ADDRESS_NOT_ALLOWED, ""),
    HostNotFound: (Code.MCP_SERVER_UNAVAILABLE, ""),
    ResponseNotAllowed: (Code.MCP_SERVER_INVALID, ""),
    httpx2.InvalidURL: INVALID_URL,
    httpx2.UnsupportedProtocol: INVALID_URL,
    httpx2.TimeoutException: NOT_IN_TIME,
    TimeoutError: NOT_IN_TIME,
    httpx2.RemoteProtocolError: (
        Code.MCP_SERVER_UNAVAILABLE,
        "The server closed the connection, or does not speak HTTP.",
    ),
    httpx2.TransportError: NOT_CONFORMING,
    ValidationError: NOT_CONFORMING,
    RuntimeError: (
        Code.MCP_SERVER_INVALID,
        "The server did not begin a session in a supported version of the protocol.",
    ),
    MCPError: (Code.MCP_SERVER_INVALID, "The server did not agree to begin a session."),
}
"""Codes and details; the first three errors have details of their own."""


def translated(errors: BaseException) -> ConnectionFailed:
    """Return why a connection failed."""
    reasons = (_reason(error) for error in _leaves(errors))
    unknown = ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, "The connection to the server failed.")
    return next((reason for reason in reasons if reason is not None), unknown)


def of_response(response: httpx2.Response) -> ConnectionFailed:
    """Return why a response, which is a redirect or an error, ends a connection."""
    status = response.status_code
    challenge = response.headers.get("www-authenticate", "")[:4096]
    if status == HTTPStatus.UNAUTHORIZED:
        detail = "The server asks for authorization (status 401)."
        return ConnectionFailed(Code.AUTHORIZATION_REQUIRED, detail, challenge=challenge)
    if status == HTTPStatus.FORBIDDEN and INSUFFICIENT_SCOPE in challenge:
        detail = "The server asks for an authorization of a larger scope (status 403)."
        return ConnectionFailed(Code.AUTHORIZATION_REQUIRED, detail, challenge=challenge)
    if response.has_redirect_location:
        detail = f"The server redirects to another address (status {status}). Use that address if you trust it."
        return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, detail)
    return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, f"The server answered with status {status}.")


def _reason(error: BaseException) -> ConnectionFailed | None:
    match error:
        case ConnectionFailed():
            return error
        case httpx2.HTTPStatusError():
            return of_response(error.response)
        case AddressNotAllowed() | HostNotFound() | ResponseNotAllowed():
            return ConnectionFailed(REASONS[type(error)][0], str(error))
        case httpx2.NetworkError():
            return ConnectionFailed(Code.MCP_SERVER_UNAVAILABLE, _of_network(error))
        case _:
            reasons = (reason for kind, reason in REASONS.items() if isinstance(error, kind))
            return next((ConnectionFailed(code, detail) for code, detail in reasons), None)


def _of_network(error: httpx2.NetworkError) -> str:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of the server is not valid: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "No TLS connection to the server could be established."
        if isinstance(cause, ConnectionRefusedError):
            return "The server refused the connection."
    return "The connection to the server could not be established, or was lost."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and what it was raised from, also within groups."""
    while error is not None:
        yield from _leaves(error)
        error = error.__cause__ or error.__context__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for child in cast(BaseExceptionGroup[BaseException], error).exceptions:
            yield from _leaves(child)
    else:
        yield error
