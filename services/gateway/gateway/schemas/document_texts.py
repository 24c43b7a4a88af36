"""The texts of the OpenAPI document that belong to no operation: its introduction, groups and path parameters."""

from contracts.samples import (
    API_KEY,
    APPROVAL,
    BACKFILL,
    BUS_USER,
    DELIVERY,
    EXECUTION,
    MCP_SERVER,
    MESSAGE,
    REPORT,
    RUN,
    SESSION,
    TASK,
    TEMPLATE,
    TOOL_CALL,
    TRIGGER,
    USER,
    WEBHOOK,
)

INTRODUCTION = """Run Claude Code agents, each in its own session, and drive them by HTTP.

**Start.** `POST /api/v1/auth/login` returns an access token; send it as `Authorization: Bearer <token>`. Programs use
an API key instead, in `X-API-Key`. Then `POST /api/v1/sessions` creates a session, and
`POST /api/v1/sessions/{session_id}/query` sends the agent a message and returns its answer.

**Errors** are problems (RFC 9457) with an `error_code`; `detail` says what is wrong and what to do. Besides those that
an operation lists, every request may get 408, 414, 421, 431 or 500.

**Lists** have `items`, `total` and `links`; follow `links.next` until it is null. **Repeating** a request is safe with
an `Idempotency-Key`. **Changes** are conditional with `If-Match`. Unknown fields and query parameters are refused;
clients must ignore fields of responses that they do not know.

**Files** have their own media types. A client that accepts only `application/octet-stream` gets them in that one.

**WebSocket.** `GET /api/v1/sessions/{session_id}/stream` opens a WebSocket: its events are those of
`GET /api/v1/sessions/{session_id}/events`, and it takes queries, decisions and interruptions as JSON messages like
`{"type": "query", "data": {"message": "…"}}`. OpenAPI cannot describe them;
`/asyncapi.json` does, and `/docs/events` has an example of each event.

**MCP.** `POST /mcp` is this API as an MCP server (Streamable HTTP), with the same tokens and API keys. Its tools
describe themselves to MCP clients.
"""

TAGS = {
    "Authentication": "Accounts, logins, tokens, passwords, API keys and users of NATS.",
    "Sessions": "A session is an agent with a conversation and files: create it, query it, and read what it did.",
    "Workspace": "The files of a session: list, read, write and delete them.",
    "Approvals": "Tool calls, and questions of MCP servers, that wait for the decision of a person.",
    "Streams": "Events as they happen, as server-sent events: those of a session, or of everything that one owns.",
    "Webhooks": "Signed requests that report events to a server of yours, with retries and a history.",
    "Archives": "A session packed into one file, which can be downloaded, or resumed.",
    "Session templates": "Options and mode to create sessions with.",
    "Tasks": "Prompts that are sent to new sessions: on a schedule, after events, by signed webhooks, or on request.",
    "Reports": "Sessions and tasks as documents: PDF, HTML, Markdown or JSON.",
    "MCP servers": "Servers whose tools agents may use: register, check, authorize, import and export them.",
    "Admin": "For administrators: users, quotas, costs, statistics and the audit log.",
    "Monitoring": "Health and metrics, without a token.",
}
"""The groups of operations, in the order of the reference."""

PATH_PARAMETERS = {
    "approval_id": ("Id of the approval.", APPROVAL),
    "backfill_id": ("Id of the backfill.", BACKFILL),
    "delivery_id": ("Id of the delivery.", DELIVERY),
    "execution_id": ("Id of the execution.", EXECUTION),
    "key_id": ("Id of the API key, which is not its text.", API_KEY),
    "message_id": ("Id of the message.", MESSAGE),
    "path": ("Path of the file in the workspace, without a slash at its beginning.", "src/notes.txt"),
    "report_id": ("Id of the report.", REPORT),
    "run_id": ("Id of the run.", RUN),
    "server_id": ("Id of the MCP server.", MCP_SERVER),
    "session_id": ("Id of the session.", SESSION),
    "task_id": ("Id of the task.", TASK),
    "template_id": ("Id of the session template.", TEMPLATE),
    "tool_call_id": ("Id of the tool call.", TOOL_CALL),
    "trigger_id": ("Id of the trigger.", TRIGGER),
    "user_id": ("Id of the user.", USER),
    "bus_user_id": ("Id of the bus user.", BUS_USER),
    "webhook_id": ("Id of the webhook.", WEBHOOK),
}
"""The descriptions and examples of path parameters, which are declared by their type alone."""
