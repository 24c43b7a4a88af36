"""The codes of problems, with their statuses and titles."""

from enum import StrEnum

from contracts.refusals import Code


class EdgeCode(StrEnum):
    """Codes of problems that the gateway itself finds, before or instead of a service."""

    ANSWER_NOT_READY = "ANSWER_NOT_READY"
    FORBIDDEN = "FORBIDDEN"
    IDEMPOTENCY_KEY_IN_USE = "IDEMPOTENCY_KEY_IN_USE"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    INVALID_FILE = "INVALID_FILE"
    MALFORMED_JSON = "MALFORMED_JSON"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NESTING_TOO_DEEP = "NESTING_TOO_DEEP"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    NOT_FOUND = "NOT_FOUND"
    NOT_RESUMABLE = "NOT_RESUMABLE"
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    RANGE_NOT_SATISFIABLE = "RANGE_NOT_SATISFIABLE"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN_HOST = "UNKNOWN_HOST"
    UNKNOWN_MCP_SERVER = "UNKNOWN_MCP_SERVER"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    VALIDATION_ERROR = "VALIDATION_ERROR"


TABLE: dict[Code | EdgeCode, tuple[int, str]] = {
    Code.ACCOUNT_DISABLED: (403, "Account is disabled"),
    Code.ACCOUNT_LOCKED: (429, "Too many failed logins"),
    Code.ADDRESS_LOCKED: (429, "Too many failed logins from this address"),
    Code.ADDRESS_NOT_ALLOWED: (422, "Address not allowed"),
    Code.ADMINS_ONLY: (403, "Administrators only"),
    Code.AGENT_FAILED: (502, "Agent failed"),
    Code.AGENT_OUT_OF_MEMORY: (502, "Agent exceeded its memory"),
    Code.API_KEY_NOT_FOUND: (404, "API key not found"),
    Code.APPROVAL_NOT_FOUND: (404, "Approval not found"),
    Code.APPROVAL_OVER: (409, "Approval is no longer pending"),
    Code.ARCHIVE_NOT_FOUND: (404, "Archive not found"),
    Code.AUTHORIZATION_FAILED: (502, "MCP server could not be authorized"),
    Code.AUTHORIZATION_NOT_SUPPORTED: (422, "MCP server cannot be authorized"),
    Code.AUTHORIZATION_REQUIRED: (409, "MCP server requires authorization"),
    Code.AUDIT_ENTRY_NOT_FOUND: (404, "Audit entry not found"),
    Code.BACKFILL_NOT_FOUND: (404, "Backfill not found"),
    Code.BACKFILL_OVER: (409, "Backfill has already ended"),
    Code.BACKFILL_PERIOD_INVALID: (422, "Period cannot be backfilled"),
    Code.BACKFILL_RUNNING: (409, "Another backfill is running"),
    Code.BACKFILL_TOO_LARGE: (422, "Backfill has too many ticks"),
    Code.BUDGET_EXCEEDED: (409, "Budget exceeded"),
    Code.BUS_USERS_NOT_AVAILABLE: (409, "Bus users not available"),
    Code.BUS_USER_NOT_FOUND: (404, "Bus user not found"),
    Code.CATALOG_ENTRY_NOT_FOUND: (404, "Catalog entry not found"),
    Code.CATCH_UP_WINDOW_PASSED: (409, "Catch-up window has passed"),
    Code.CHAIN_LOOP: (409, "Tasks start each other in a loop"),
    Code.CHAIN_TOO_LONG: (409, "Too many tasks start each other"),
    Code.COMMAND_NOT_ALLOWED: (403, "Command not allowed"),
    Code.COMMAND_REPEATED: (409, "Request already processed"),
    Code.CONVERSATION_FULL: (409, "Conversation is full"),
    Code.DELIVERY_NOT_FOUND: (404, "Delivery not found"),
    Code.EMAIL_TAKEN: (409, "E-mail address already in use"),
    Code.EXECUTION_NOT_FOUND: (404, "Execution not found"),
    Code.EXECUTION_NOT_OVER: (409, "Execution has not ended"),
    Code.EXECUTION_OVER: (409, "Execution has already ended"),
    Code.FILE_CHANGED: (409, "File changed during the request"),
    Code.FILE_NOT_FOUND: (404, "File not found"),
    Code.FORM_INVALID: (422, "Input does not fit the form"),
    Code.INVALID_API_KEY: (401, "Invalid API key"),
    Code.INVALID_CREDENTIALS: (401, "Invalid credentials"),
    Code.INVALID_EVENT_NAME: (422, "Invalid event name"),
    Code.INVALID_PATH: (422, "Invalid path"),
    Code.INVALID_REFRESH_TOKEN: (401, "Invalid refresh token"),
    Code.INVALID_RESET_TOKEN: (422, "Invalid reset token"),
    Code.INVALID_SCHEDULE: (422, "Invalid schedule"),
    Code.INVALID_SERVER: (422, "Invalid MCP server"),
    Code.INVALID_SIGNATURE: (401, "Request could not be verified"),
    Code.INVALID_TIMEZONE: (422, "Invalid time zone"),
    Code.INVALID_WEBHOOK: (422, "Invalid webhook"),
    Code.LAST_ADMIN: (409, "Last administrator"),
    Code.LINK_NOT_VALID: (404, "Link is not valid"),
    Code.MAX_TURNS_REACHED: (409, "Turn limit reached"),
    Code.MCP_SERVER_INVALID: (502, "MCP server violates the protocol"),
    Code.MCP_SERVER_NOT_FOUND: (404, "MCP server not found"),
    Code.MCP_SERVER_TIMEOUT: (504, "MCP server timed out"),
    Code.MCP_SERVER_UNAVAILABLE: (502, "MCP server unavailable"),
    Code.MESSAGE_NOT_FOUND: (404, "Message not found"),
    Code.MODEL_ERROR: (502, "Model provider error"),
    Code.MODEL_NOT_ALLOWED: (422, "Model not available"),
    Code.NOTHING_TO_BACKFILL: (422, "No ticks to backfill"),
    Code.NOTHING_TO_INTERRUPT: (409, "No active run"),
    Code.NOT_A_FILE: (409, "Not a regular file"),
    Code.NOT_INSTALLABLE: (422, "Catalog entry cannot be installed"),
    Code.NOT_OWNER: (403, "Only the owner may change it"),
    Code.NO_PASSWORD: (409, "Account has no password"),
    Code.NO_SCHEDULE: (422, "Task has no schedule"),
    Code.OPTION_NOT_ALLOWED: (422, "Option not available to your role"),
    Code.OUTPUT_NOT_VALID: (502, "Output does not match output_format"),
    Code.OWNER_DISABLED: (403, "Owner may not run agents"),
    Code.PASSWORD_TOO_COMMON: (422, "Password is too common"),
    Code.PDF_NOT_AVAILABLE: (422, "PDF reports are not available"),
    Code.PRECONDITION_FAILED: (412, "Changed by another request"),
    Code.QUEUE_FULL: (409, "Query queue is full"),
    Code.QUOTA_EXCEEDED: (409, "Quota exceeded"),
    Code.REGISTRATION_CLOSED: (403, "Registration is closed"),
    Code.REPORT_FAILED: (500, "Report could not be created"),
    Code.REPORT_HAS_NO_FILE: (409, "Report has failed"),
    Code.REPORT_NOT_FOUND: (404, "Report not found"),
    Code.REPORT_NOT_READY: (409, "Report is not ready"),
    Code.REPORT_TOO_LARGE: (422, "Report is too large"),
    Code.RUN_CANCELLED: (409, "Run cancelled"),
    Code.RUN_INTERRUPTED: (500, "Run interrupted by a worker failure"),
    Code.RUN_NOT_FOUND: (404, "Run not found"),
    Code.RUN_OVER: (409, "Run has already ended"),
    Code.RUN_TAKEN: (409, "Run is held by another worker"),
    Code.RUN_TIMEOUT: (504, "Run timed out"),
    Code.RUN_TOO_LARGE: (502, "Run output is too large"),
    Code.SERVER_DISABLED: (409, "MCP server is disabled"),
    Code.SERVER_NAME_TAKEN: (409, "MCP server name already in use"),
    Code.SESSION_ARCHIVED: (409, "Session is archived"),
    Code.SESSION_BUSY: (409, "Session is busy"),
    Code.SESSION_NOT_FOUND: (404, "Session not found"),
    Code.SESSION_NOT_READY: (409, "Session is not ready"),
    Code.SESSION_PAUSED: (409, "Session is paused"),
    Code.START_DEADLINE_EXCEEDED: (409, "Start deadline exceeded"),
    Code.STORAGE_FAILED: (507, "Files could not be stored"),
    Code.TASK_BUSY: (409, "Another execution is active"),
    Code.TASK_NOT_FOUND: (404, "Task not found"),
    Code.TASK_PAUSED: (409, "Task is paused"),
    Code.TEMPLATE_INVALID: (422, "Invalid prompt template"),
    Code.TEMPLATE_NOT_FOUND: (404, "Template not found"),
    Code.TEMPLATE_TOO_EXPENSIVE: (422, "Prompt template is too expensive"),
    Code.TOOLS_CHANGED: (409, "MCP tools have changed"),
    Code.TOOL_CALL_NOT_FOUND: (404, "Tool call not found"),
    Code.TOO_MANY_BUS_USERS: (409, "Too many bus users"),
    Code.TOO_MANY_API_KEYS: (409, "Too many API keys"),
    Code.TOO_MANY_LOGINS: (503, "Too many concurrent logins"),
    Code.TOO_MANY_REPORTS: (429, "Too many reports in progress"),
    Code.TOO_MANY_SERVERS: (409, "Too many MCP servers"),
    Code.TOO_MANY_TASKS: (409, "Too many tasks"),
    Code.TOO_MANY_TRIGGERS: (409, "Too many triggers"),
    Code.TOO_MANY_WEBHOOKS: (409, "Too many webhooks"),
    Code.TRIGGER_NOT_FOUND: (404, "Trigger not found"),
    Code.TRIGGER_RATE_LIMITED: (429, "Too many requests to this trigger"),
    Code.USERNAME_TAKEN: (409, "Username already in use"),
    Code.USER_INACTIVE: (403, "Account is disabled"),
    Code.USER_NOT_FOUND: (404, "User not found"),
    Code.VARIABLES_MISSING: (422, "Variables are missing"),
    Code.VARIABLE_NOT_SET: (422, "Environment variable has no value"),
    Code.WEBHOOK_BODY_INVALID: (422, "Webhook body is not a JSON object"),
    Code.WEBHOOK_DISABLED: (409, "Webhook is disabled"),
    Code.WEBHOOK_NOT_FOUND: (404, "Webhook not found"),
    Code.WORKSPACE_FULL: (409, "Workspace is full"),
    Code.WRONG_PASSWORD: (422, "Wrong password"),
    EdgeCode.ANSWER_NOT_READY: (504, "Still in progress"),
    EdgeCode.FORBIDDEN: (403, "Forbidden"),
    EdgeCode.IDEMPOTENCY_KEY_IN_USE: (409, "Request with this key is running"),
    EdgeCode.IDEMPOTENCY_KEY_REUSED: (422, "Key was used for another request"),
    EdgeCode.INTERNAL_ERROR: (500, "Internal server error"),
    EdgeCode.INVALID_FILE: (422, "File cannot be read"),
    EdgeCode.MALFORMED_JSON: (400, "Malformed JSON"),
    EdgeCode.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    EdgeCode.NESTING_TOO_DEEP: (409, "Too many agents use each other"),
    EdgeCode.NOT_ACCEPTABLE: (406, "Not acceptable"),
    EdgeCode.NOT_FOUND: (404, "Not found"),
    EdgeCode.NOT_RESUMABLE: (409, "A query cannot be resumed"),
    EdgeCode.ORIGIN_NOT_ALLOWED: (403, "Origin not allowed"),
    EdgeCode.PAYLOAD_TOO_LARGE: (413, "Request body too large"),
    EdgeCode.RANGE_NOT_SATISFIABLE: (416, "Range not satisfiable"),
    EdgeCode.RATE_LIMIT_EXCEEDED: (429, "Rate limit exceeded"),
    EdgeCode.TOO_MANY_STREAMS: (429, "Too many open streams"),
    EdgeCode.UNAUTHENTICATED: (401, "Not authenticated"),
    EdgeCode.UNAVAILABLE: (503, "Service temporarily unavailable"),
    EdgeCode.UNKNOWN_HOST: (421, "Unknown host name"),
    EdgeCode.UNKNOWN_MCP_SERVER: (422, "MCP server not found"),
    EdgeCode.UNSUPPORTED_MEDIA_TYPE: (415, "Unsupported media type"),
    EdgeCode.VALIDATION_ERROR: (422, "Invalid request"),
}
