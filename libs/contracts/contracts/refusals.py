"""Refusals and their codes."""

from enum import StrEnum


class Code(StrEnum):
    """The reason why a command or query was refused, or why a run failed: terms of the domain, never of HTTP."""

    ADMINS_ONLY = "ADMINS_ONLY"
    AGENT_FAILED = "AGENT_FAILED"
    APPROVAL_NOT_FOUND = "APPROVAL_NOT_FOUND"
    APPROVAL_OVER = "APPROVAL_OVER"
    ARCHIVE_NOT_FOUND = "ARCHIVE_NOT_FOUND"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    COMMAND_REPEATED = "COMMAND_REPEATED"
    CONVERSATION_FULL = "CONVERSATION_FULL"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    FILE_CHANGED = "FILE_CHANGED"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    INVALID_PATH = "INVALID_PATH"
    INVALID_REFRESH_TOKEN = "INVALID_REFRESH_TOKEN"
    MAX_TURNS_REACHED = "MAX_TURNS_REACHED"
    MCP_SERVER_NOT_FOUND = "MCP_SERVER_NOT_FOUND"
    MESSAGE_NOT_FOUND = "MESSAGE_NOT_FOUND"
    MODEL_ERROR = "MODEL_ERROR"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"
    NOTHING_TO_INTERRUPT = "NOTHING_TO_INTERRUPT"
    NOT_A_FILE = "NOT_A_FILE"
    NOT_OWNER = "NOT_OWNER"
    OUTPUT_NOT_VALID = "OUTPUT_NOT_VALID"
    PASSWORD_TOO_COMMON = "PASSWORD_TOO_COMMON"
    QUEUE_FULL = "QUEUE_FULL"
    REGISTRATION_CLOSED = "REGISTRATION_CLOSED"
    RUN_CANCELLED = "RUN_CANCELLED"
    RUN_INTERRUPTED = "RUN_INTERRUPTED"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_OVER = "RUN_OVER"
    RUN_TAKEN = "RUN_TAKEN"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    RUN_TOO_LARGE = "RUN_TOO_LARGE"
    SESSION_ARCHIVED = "SESSION_ARCHIVED"
    SESSION_BUSY = "SESSION_BUSY"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    SESSION_NOT_READY = "SESSION_NOT_READY"
    SESSION_PAUSED = "SESSION_PAUSED"
    STORAGE_FAILED = "STORAGE_FAILED"
    TEMPLATE_NOT_FOUND = "TEMPLATE_NOT_FOUND"
    TOO_MANY_LOGINS = "TOO_MANY_LOGINS"
    TOOL_CALL_NOT_FOUND = "TOOL_CALL_NOT_FOUND"
    USERNAME_TAKEN = "USERNAME_TAKEN"
    USER_INACTIVE = "USER_INACTIVE"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    VARIABLE_NOT_SET = "VARIABLE_NOT_SET"
    WORKSPACE_FULL = "WORKSPACE_FULL"


class Refusal(Exception):
    """The domain refuses a message: this is expected, final for this input, and nothing was recorded."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


def not_found(code: Code, id: object, where: str = "") -> Refusal:
    """Return the refusal for a resource that does not exist for the actor; `code` is <RESOURCE>_NOT_FOUND."""
    return Refusal(code, f"There is no {resource_name(code)} {id}{where}.")


def resource_name(code: Code) -> str:
    """Return the resource in a code <RESOURCE>_NOT_FOUND, in words."""
    return code.removesuffix("_NOT_FOUND").replace("_", " ").lower()
