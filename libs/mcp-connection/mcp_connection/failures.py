"""Why a connection failed."""

from contracts.refusals import Code


class ConnectionFailed(Exception):
    """A server cannot be used. `detail` is a sentence for users; it holds no secrets.

    `challenge` is the WWW-Authenticate header of a server that asks for authorization.
    """

    def __init__(self, code: Code, detail: str, *, challenge: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.challenge = challenge
