"""Descriptions, for the OpenAPI document, of the fields that are defined in contracts."""

from typing import Any

from gateway.schemas.field_descriptions import BY_NAME

EXECUTION_ATTEMPT = "Number of the last attempt; 0 before the first one."
EXECUTION_SESSION = "Id of the session of the last attempt; null before the first one."
EXECUTION_RUN = "Id of the run of the last attempt; null before the first one."
EXECUTION_START = "Time of the start of the first attempt; null before."
EXECUTION_USAGE = "Resources that all attempts used."
MESSAGE_MODEL = "Model that wrote the message; null for messages of the user."
RUN_SERVERS = "The MCP servers that the session named when the run started."
SERVER_ARGS = "With `STDIO`: arguments of the program."
SERVER_COMMAND = "With `STDIO`: program to start."
SERVER_DESCRIPTION = "What the server is for."
SERVER_ENABLED = "Whether sessions may use the server."
SERVER_ENV = "With `STDIO`: environment variables of the program, masked."
SERVER_GLOBAL = "Whether all users may use the server."
SERVER_HEADERS = "With `HTTP` and `SSE`: headers of requests to the URL, masked."
SERVER_HOSTS = "With `STDIO`: hosts that the program may connect to."
SERVER_TOOLS = "Names of the tools that sessions may use; null for all."
SERVER_TYPE = "`STDIO`: a program, started in a sandbox. `HTTP`, `SSE`: a remote server."
SERVER_URL = "With `HTTP` and `SSE`: URL."
SERVER_WORKSPACE = "With `STDIO`: access of the program to the workspace of the session that uses it."
TASK_ACTIVE = "Whether the task is active; a paused one is started by nothing but a user."
TASK_DESCRIPTION = "What the task is for."

BY_MODEL = {
    ("Answer", "content"): "The answer, as text.",
    ("Approval", "form"): "With `elicitation`: JSON schema of the `content` of an approval; null for tool calls.",
    ("Approval", "kind"): "`tool`: a tool call. `elicitation`: an MCP server asks for input during a tool call.",
    ("Approval", "message"): "The reason of the decision.",
    ("CatalogInput", "description"): "What the value is for.",
    ("CatalogOption", "server_type"): "Type of the server that the option results in; null if it cannot be installed.",
    ("CatalogServer", "description"): SERVER_DESCRIPTION,
    ("CatalogServer", "version"): "Version of the server.",
    ("EffectiveOptions", "allowed_tools"): "Tools that run without approval, without those above the ceiling.",
    ("EffectiveOptions", "disallowed_tools"): "Tools that the agent does not have, with those above the ceiling.",
    ("EffectiveOptions", "max_budget_usd"): "Budget of the session in US dollars, at most the ceiling; null for none.",
    ("EffectiveOptions", "model"): "Model of the next run; null if nobody names one, and Claude Code chooses.",
    ("Execution", "attempt"): EXECUTION_ATTEMPT,
    ("Execution", "run_id"): EXECUTION_RUN,
    ("Execution", "session_id"): EXECUTION_SESSION,
    ("Execution", "started_at"): EXECUTION_START,
    ("Execution", "usage"): EXECUTION_USAGE,
    ("ExecutionListed", "attempt"): EXECUTION_ATTEMPT,
    ("ExecutionListed", "run_id"): EXECUTION_RUN,
    ("ExecutionListed", "session_id"): EXECUTION_SESSION,
    ("ExecutionListed", "started_at"): EXECUTION_START,
    ("ExecutionListed", "usage"): EXECUTION_USAGE,
    ("McpServer", "allowed_tools"): SERVER_TOOLS,
    ("McpServer", "args"): SERVER_ARGS,
    ("McpServer", "command"): SERVER_COMMAND,
    ("McpServer", "description"): SERVER_DESCRIPTION,
    ("McpServer", "env"): SERVER_ENV,
    ("McpServer", "headers"): SERVER_HEADERS,
    (
        "AuditEntry",
        "action",
    ): "Event that recorded the change; of a refusal, or a change without an event, the operation.",
    ("AuditEntry", "at"): "Time of the change or the refusal.",
    ("AuditEntry", "causation_id"): "Id of the message that caused the change.",
    ("AuditEntry", "client_address"): "IP address of the client; null if a service did it by itself.",
    ("AuditEntry", "correlation_id"): "`X-Request-ID` of the request that led to it, also in all logs.",
    ("AuditEntry", "credential"): "What the user authenticated with; null if a service did it.",
    ("AuditEntry", "outcome"): "`succeeded`, `denied`, or `unknown` if the service did not answer.",
    ("AuditEntry", "owner_id"): "Id of the user that the resource belongs to; null if unknown.",
    ("AuditEntry", "resource_id"): "Id of the resource; null if there is none.",
    ("AuditEntry", "resource_type"): "Type of the resource; null if there is none.",
    ("AuditEntry", "role"): "Role that the user had; null if it was not known.",
    ("Credential", "id"): "Id of the API key, or of the login.",
    ("Credential", "kind"): "`api_key` or `login`.",
    ("McpServer", "is_enabled"): SERVER_ENABLED,
    ("McpServer", "is_global"): SERVER_GLOBAL,
    ("McpServer", "network_hosts"): SERVER_HOSTS,
    ("McpServer", "server_type"): SERVER_TYPE,
    ("McpServer", "tools_version"): "Version of the list of tools; accepting the tools takes it.",
    ("McpServer", "url"): SERVER_URL,
    ("McpServer", "workspace"): SERVER_WORKSPACE,
    ("McpServerListed", "allowed_tools"): SERVER_TOOLS,
    ("McpServerListed", "args"): SERVER_ARGS,
    ("McpServerListed", "command"): SERVER_COMMAND,
    ("McpServerListed", "description"): SERVER_DESCRIPTION,
    ("McpServerListed", "env"): SERVER_ENV,
    ("McpServerListed", "headers"): SERVER_HEADERS,
    ("McpServerListed", "is_enabled"): SERVER_ENABLED,
    ("McpServerListed", "is_global"): SERVER_GLOBAL,
    ("McpServerListed", "network_hosts"): SERVER_HOSTS,
    ("McpServerListed", "server_type"): SERVER_TYPE,
    ("McpServerListed", "url"): SERVER_URL,
    ("McpServerListed", "workspace"): SERVER_WORKSPACE,
    ("McpServerUse", "detail"): "Why the agent does not have the server; empty if it does.",
    ("McpServerUse", "latency_ms"): "Milliseconds from the connection to the list of tools; null without a connection.",
    ("McpServerUse", "name"): "Name of the server; null if it was not found.",
    ("McpServerUse", "prefix"): "Beginning of the names of its tools, as in `allowed_tools`; null without a server.",
    ("McpServerUse", "reference"): "Name or id of the server in the options of the session.",
    ("McpServerUse", "server_id"): "Id of the server; null if it was not found.",
    ("McpServerUse", "status"): "Whether the agent has the server, or why not.",
    ("McpServerUse", "tools"): "Number of tools that the agent has.",
    ("McpServerUse", "withheld"): "Names of tools that its owner has not accepted as they are now, the first 20.",
    ("Message", "model"): MESSAGE_MODEL,
    ("Prompt", "prompt"): "The prompt.",
    ("Prompt", "variables"): "The variables that the prompt was rendered with.",
    ("Report", "execution_id"): "Id of the only execution that the report is about; null for all.",
    ("Report", "expires_at"): "Time at which the report is deleted; null for never, and until it is completed.",
    ("Report", "session_id"): "Id of the session that the report is about; null if it is about a task.",
    ("Report", "task_id"): "Id of the task that the report is about; null if it is about a session.",
    ("ReportLink", "expires_at"): "Time at which the link expires.",
    ("Run", "mcp_servers"): RUN_SERVERS,
    ("Run", "message"): "The message that the user sent.",
    ("RunListed", "mcp_servers"): f"{RUN_SERVERS} Above 16 KiB, their `detail` and `withheld` are omitted.",
    ("RunListed", "message"): "The message that the user sent.",
    ("StartedExecution", "session_id"): EXECUTION_SESSION,
    ("StartedExecution", "started_at"): EXECUTION_START,
    ("Task", "allowed_tools"): "Tools to run without approval; null for those in `sdk_options`.",
    ("Task", "description"): TASK_DESCRIPTION,
    ("Task", "is_active"): TASK_ACTIVE,
    ("Task", "mode"): "Mode of the sessions.",
    ("Task", "timeout_seconds"): "Seconds from the first start to the end, with retries; null for no limit.",
    ("TaskListed", "description"): TASK_DESCRIPTION,
    ("TaskListed", "is_active"): TASK_ACTIVE,
    ("TextBlock", "text"): "The text.",
    ("ThinkingBlock", "thinking"): "The text of the reasoning.",
    ("ToolUseBlock", "id"): "Id that the model gave the call.",
    ("ToolUseBlock", "input"): "Input of the tool.",
    ("ToolUseBlock", "name"): "Name of the tool.",
    ("ToolUseBlock", "tool_call_id"): "Id of the tool call.",
    ("Tool", "description"): "What the tool does, in the words of the server.",
    ("UpcomingRuns", "items"): "The times, in UTC.",
    ("WorkspaceFile", "type"): "`file`, `directory`, `symlink`, or `other` for pipes, sockets and devices.",
}
"""Descriptions of fields that mean something else in one model than in others."""


def describe(model: str, schema: dict[str, Any]) -> None:
    """Add the missing descriptions of fields to the JSON Schema of a model."""
    for name, field in schema.get("properties", {}).items():
        if "description" not in field and (text := BY_MODEL.get((model, name)) or BY_NAME.get(name)):
            field["description"] = text
