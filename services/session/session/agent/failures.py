"""Failures of agents."""

from contracts.refusals import Code

STOPPED = "The agent was stopped."


class AgentFailed(Exception):
    """The agent did not start, ended before its turn did, or exceeded a limit. The detail is shown to users."""

    def __init__(self, detail: str, code: Code = Code.AGENT_FAILED) -> None:
        super().__init__(detail)
        self.detail, self.code = detail, code


class AgentDied(AgentFailed):
    """The process of the agent ended by itself, in the middle of its turn; or it was killed while it started."""
