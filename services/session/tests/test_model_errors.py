"""Texts for users about errors of the model provider. The notices are those of Claude Code."""

import pytest
from session.agent.model_errors import model_error_detail

UNKNOWN = "There's an issue with the selected model (gpt-4). It may not exist or you may not have access to it."
OVERLOADED = "API Error: 529 Overloaded. This is a server-side issue, usually temporary (127.0.0.1:38987)."


@pytest.mark.parametrize(
    ("status", "notice", "detail"),
    [
        (400, "API Error: 400 Too long.", "The model provider refused the request (HTTP 400): Too long."),
        (401, "Please run /login", "The model provider rejected the key (HTTP 401): check MODEL_API_KEY."),
        (403, "API Error: 403 Not here.", "The model provider refused the request (HTTP 403): Not here."),
        (404, UNKNOWN, "The provider has no model `gpt-4` (HTTP 404)."),
        (404, "", "The model provider refused the request (HTTP 404)."),
        (429, "(429) · Slow.", "The model provider limits the rate of requests (HTTP 429). Try again later."),
        (500, OVERLOADED, "The model provider failed or cannot be reached (HTTP 500). Try again later."),
        (529, OVERLOADED, "The model provider is overloaded (HTTP 529). Try again later."),
    ],
)
def test_an_error_of_the_provider_says_what_happened(status: int, notice: str, detail: str) -> None:
    assert model_error_detail(status, notice) == detail
