"""Claude Code as a program in a sandbox."""

from collections.abc import Mapping
from pathlib import Path

import claude_agent_sdk
from sandbox import Program, Resources, Sandbox, SandboxedProcess

AGENT = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
CONFIG_FOLDER, PROJECTS_FOLDER = ".claude", "projects"
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "CLAUDE_CODE_ENTRYPOINT": "sdk-py"}


async def find_sandbox() -> tuple[Sandbox, str | None]:
    """Return this machine's sandbox, and the reason if agents cannot run in it."""
    return await Sandbox.find(Program(command=(str(AGENT), "--version"), readable=(AGENT,)))


def prepare_agent(
    sandbox: Sandbox,
    workspace: Path,
    variables: Mapping[str, str],
    own_variables: Mapping[str, str] | None = None,
    resources: Resources = Resources(),  # noqa: B008  it is immutable
) -> SandboxedProcess:
    """Prepare an agent that works in `workspace`, uses at most `resources`, and sees no variables but these.

    `own_variables` are those of the session's options. They do not override the service's variables, and are set only
    inside a sandbox: without one, many variables can make a program run another one on the host.
    """
    program = Program(
        command=(str(AGENT),),
        variables={**(own_variables or {} if sandbox.bwrap else {}), **VARIABLES, **variables},
        home_variables={"CLAUDE_CONFIG_DIR": CONFIG_FOLDER},
        listener_variables=("ANTHROPIC_BASE_URL",),
        workspace=workspace,
        readable=(AGENT,),
        resources=resources,
    )
    return sandbox.prepare(program)


def projects_folder(home: Path) -> Path:
    """Return the folder of the conversations in an agent's home directory, or in its initial content."""
    return home / CONFIG_FOLDER / PROJECTS_FOLDER
