"""The headers that pass between an agent and the provider."""

import re
from collections.abc import Mapping

# Of requests, only those that Claude Code sends: others could choose what a provider, or a gateway before it, does.
REQUEST_HEADERS = frozenset(
    {
        *("accept", "anthropic-dangerous-direct-browser-access", "anthropic-version", "user-agent", "x-app"),
        *("x-claude-code-agent-id", "x-claude-code-session-id"),
    }
)
SDK_HEADERS = "x-stainless-"
BETA_HEADER = "anthropic-beta"
# Those that Claude Code sends, whatever their date. They concern what is between the agent and its model: thinking,
# caching, the context and the tools of the agent.
BETAS = re.compile(
    r"(advanced-tool-use|claude-code|claude-code-side-query|context-1m|context-management|effort|extended-cache-ttl"
    r"|interleaved-thinking|mid-conversation-system|mid-conversation-tool-changes|per-turn-control"
    r"|prompt-caching-scope|redact-thinking|structured-outputs|task-budgets|thinking-[a-z-]+|token-counting"
    r"|tool-search-tool|web-search)-?20[0-9-]{6,8}"
)
# Bodies have one encoding in both directions: requests must be plain JSON, answers are requested uncompressed. So the
# proxy reads what the other side reads.
BODY_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
DROPPED_OF_ANSWERS = frozenset(
    {
        *("anthropic-organization-id", "set-cookie"),  # they identify the operator
        *("connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"),
        *("content-encoding", "content-length"),
    }
)


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that are forwarded, with the encoding of its body."""
    kept = {name: value for name, value in headers.items() if _is_forwarded(name.lower())}
    values = [value for name, value in headers.items() if name.lower() == BETA_HEADER]
    betas = [beta for beta in map(str.strip, ",".join(values).split(",")) if BETAS.fullmatch(beta)]
    return {**kept, **({BETA_HEADER: ",".join(betas)} if betas else {}), **BODY_HEADERS}


def answer_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an answer that are forwarded."""
    return {name: value for name, value in headers.items() if name.lower() not in DROPPED_OF_ANSWERS}


def _is_forwarded(name: str) -> bool:
    return name in REQUEST_HEADERS or name.startswith(SDK_HEADERS)
