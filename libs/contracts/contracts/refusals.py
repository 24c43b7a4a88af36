"""Every word in which the system says no."""

from enum import StrEnum


class Code(StrEnum):
    """Why a command or query was refused, or a run failed: words of the domain, never of HTTP."""

    ADMINS_ONLY = "ADMINS_ONLY"
    AGENT_FAILED = "AGENT_FAILED"
    APPROVAL_NOT_FOUND = "APPROVAL_NOT_FOUND"
    APPROVAL_OVER = "APPROVAL_OVER"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    COMMAND_REPEATED = "COMMAND_REPEATED"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    INVALID_REFRESH_TOKEN = "INVALID_REFRESH_TOKEN"
    MCP_SERVER_NOT_FOUND = "MCP_SERVER_NOT_FOUND"
    MODEL_ERROR = "MODEL_ERROR"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"
    NOTHING_TO_INTERRUPT = "NOTHING_TO_INTERRUPT"
    NOT_OWNER = "NOT_OWNER"
    OUTPUT_NOT_VALID = "OUTPUT_NOT_VALID"
    PASSWORD_TOO_COMMON = "PASSWORD_TOO_COMMON"
    QUEUE_FULL = "QUEUE_FULL"
    REGISTRATION_CLOSED = "REGISTRATION_CLOSED"
    RUN_CANCELLED = "RUN_CANCELLED"
    RUN_INTERRUPTED = "RUN_INTERRUPTED"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_OVER = "RUN_OVER"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    SESSION_BUSY = "SESSION_BUSY"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    SESSION_PAUSED = "SESSION_PAUSED"
    TEMPLATE_NOT_FOUND = "TEMPLATE_NOT_FOUND"
    TOOL_CALL_NOT_FOUND = "TOOL_CALL_NOT_FOUND"
    USERNAME_TAKEN = "USERNAME_TAKEN"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    VARIABLE_NOT_SET = "VARIABLE_NOT_SET"


class Refusal(Exception):
    """Raised where the domain says no: expected, final for this input, nothing was recorded."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail
