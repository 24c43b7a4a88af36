"""The only way out of a sandbox: two routes of the model provider's API, to which this proxy adds the key."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict

BODY_LIMIT = 32 * 2**20
CONNECTIONS = 1024
TIMEOUT = ClientTimeout(total=None, sock_connect=10, sock_read=300)
CREDENTIALS = {"authorization", "x-api-key", "cookie"}
OF_THE_CONNECTION = {
    "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
}


class ModelProxy:
    """Serves every agent of this replica, each at a listener of its own."""

    def __init__(self, base_url: str, api_key: str, client: ClientSession, runner: web.AppRunner) -> None:
        ...
