"""Why an authorization does not succeed."""

from contracts.refusals import Code


class AuthorizationRefused(Exception):
    """An authorization cannot succeed, however often it is retried. `detail` is for users, and contains no secret."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class AuthorizationServerUnavailable(Exception):
    """A server does not answer, or fails; the same request may succeed later."""
