"""Texts for users about errors of the model provider."""

import re
from http import HTTPStatus

OVERLOADED = 529
TEXTS = {
    HTTPStatus.UNAUTHORIZED: "The model provider rejected the key (HTTP 401): check MODEL_API_KEY.",
    HTTPStatus.TOO_MANY_REQUESTS: "The model provider limits the rate of requests (HTTP 429). Try again later.",
    OVERLOADED: "The model provider is overloaded (HTTP 529). Try again later.",
}
# For 5xx errors the notice names the address of the proxy instead of a reason, which does not help a user.
_REASON = re.compile("API Error: [0-9]{3} (.{1,500})", re.DOTALL)
_MODEL = re.compile(r"selected model \(([^)\s]{1,200})\)")


def model_error_detail(status: int, notice: str) -> str:
    """Return the error detail for an error status of the model provider.

    `notice` is the agent's text about the error, which contains the provider's reason, or the name of the model.
    """
    if text := TEXTS.get(status):
        return text
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"The model provider failed or cannot be reached (HTTP {status}). Try again later."
    if status == HTTPStatus.NOT_FOUND and (model := _MODEL.search(notice)):
        return f"The provider has no model `{model.group(1)}` (HTTP 404)."
    reason = _REASON.search(notice)
    return f"The model provider refused the request (HTTP {status}){f': {reason.group(1)}' if reason else '.'}"
