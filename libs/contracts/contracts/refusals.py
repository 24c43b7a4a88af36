"""Every word in which the system says no."""

from enum import StrEnum


class Code(StrEnum):
    """Why a command or query was refused, or a run failed: words of the domain, never of HTTP."""

    AGENT_FAILED = "AGENT_FAILED"
    ARCHIVE_NOT_FOUND = "ARCHIVE_NOT_FOUND"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    COMMAND_REPEATED = "COMMAND_REPEATED"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    FILE_CHANGED = "FILE_CHANGED"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    INVALID_PATH = "INVALID_PATH"
    INVALID_REFRESH_TOKEN = "INVALID_REFRESH_TOKEN"
    MESSAGE_NOT_FOUND = "MESSAGE_NOT_FOUND"
    MODEL_ERROR = "MODEL_ERROR"
    NOT_A_FILE = "NOT_A_FILE"
    PASSWORD_TOO_COMMON = "PASSWORD_TOO_COMMON"
    REGISTRATION_CLOSED = "REGISTRATION_CLOSED"
    RUN_CANCELLED = "RUN_CANCELLED"
    RUN_INTERRUPTED = "RUN_INTERRUPTED"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_OVER = "RUN_OVER"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    SESSION_ARCHIVED = "SESSION_ARCHIVED"
    SESSION_BUSY = "SESSION_BUSY"
    SESSION_NOT_ARCHIVED = "SESSION_NOT_ARCHIVED"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    SESSION_NOT_READY = "SESSION_NOT_READY"
    TEMPLATE_NOT_FOUND = "TEMPLATE_NOT_FOUND"
    USERNAME_TAKEN = "USERNAME_TAKEN"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    WORKSPACE_FULL = "WORKSPACE_FULL"


class Refusal(Exception):
    """Raised where the domain says no: expected, final for this input, nothing was recorded."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail
