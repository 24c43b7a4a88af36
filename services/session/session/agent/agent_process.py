"""Claude Code as a program in a sandbox."""

import re
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from shlex import quote

from runtime.variable_names import is_reserved, runs_code
from sandbox import Program, Resources, Sandbox, SandboxedProcess

AGENT = Path(str(distribution("claude-agent-sdk").locate_file("claude_agent_sdk/_bundled/claude")))
CONFIG_FOLDER, PROJECTS_FOLDER = ".claude", "projects"
NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
SHELL_SETUP, SHELL_VARIABLES = "shell_setup", "shell_variables"
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "CLAUDE_CODE_ENTRYPOINT": "sdk-py"}


def probe_of(agent: Path = AGENT) -> Program:
    """Return the program that shows whether agents can run in a sandbox."""
    return Program(command=(str(agent), "--version"), readable=(agent,))


def prepare_agent(
    sandbox: Sandbox,
    workspace: Path,
    variables: Mapping[str, str],
    own_variables: Mapping[str, str] | None = None,
    resources: Resources = Resources(),  # noqa: B008  it is immutable
    agent: Path = AGENT,
) -> SandboxedProcess:
    """Prepare an agent, of the program `agent`, that works in `workspace` and sees no variables but these.

    It uses at most `resources`.

    `own_variables` are those of the session's options. Only the agent's shells get them, without those that are
    reserved or make programs run other code: variables of Claude Code itself can make it run code that no rule and no
    approval allows. Without a sandbox there are no shells.
    """
    shell_variables = _permitted(own_variables or {}) if sandbox.confines else {}
    program = Program(
        command=(str(agent),),
        variables={**VARIABLES, **variables},
        home_variables={"CLAUDE_CONFIG_DIR": CONFIG_FOLDER},
        runtime_variables={"CLAUDE_ENV_FILE": SHELL_SETUP} if shell_variables else {},
        listener_variables=("ANTHROPIC_BASE_URL",),
        workspace=workspace,
        readable=(agent,),
        resources=resources,
    )
    process = sandbox.prepare(program)
    try:
        _write_shell_variables(process.runtime_dir, shell_variables)
    except OSError:  # for example, the disk is full
        process.remove()
        raise
    return process


def _permitted(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that are refused today; sessions may have them from before.

    Their names become a part of a script, so they are checked again.
    """
    allowed = (name for name in variables if NAME.fullmatch(name) and not (is_reserved(name) or runs_code(name)))
    return {name: variables[name] for name in allowed}


def _write_shell_variables(folder: Path, variables: Mapping[str, str]) -> None:
    """Write the script that Claude Code puts before each command of a shell.

    The script becomes a part of the shell's command line, which other accounts can read. So the values are in another
    file, which it reads.
    """
    values = folder / SHELL_VARIABLES
    lines = [f"export {name}={quote(value)}\n" for name, value in variables.items()]
    values.write_text("".join(lines).replace("\0", ""), encoding="utf-8", errors="replace")
    (folder / SHELL_SETUP).write_text(f". {quote(str(values))} 2>/dev/null\n", encoding="utf-8")


def projects_folder(home: Path) -> Path:
    """Return the folder of the conversations in an agent's home directory, or in its initial content."""
    return home / CONFIG_FOLDER / PROJECTS_FOLDER
