"""A program to run in a sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Resources:
    """How much of the machine a sandbox may use.

    Attributes:
        memory_bytes: of all its processes and files in memory, or of each process where there are no cgroups.
        processes: how many processes and threads it may have.
        file_bytes: of each file that it writes.
        yields: whether it leaves some of the processors to others, until a heartbeat says otherwise.
    """

    memory_bytes: int = 4 * 2**30
    processes: int = 512
    file_bytes: int = 2**30
    yields: bool = False


@dataclass(frozen=True)
class Program:
    """A program, and what it may use.

    Attributes:
        command: the program and its first arguments; those of the entrypoint follow. A name without a slash is looked
            up in `PATH`.
        variables: the environment variables that it sees, besides a few defaults.
        home_variables: variables that name a folder in its home directory, by the folder's relative path.
        runtime_variables: variables that name a file in the runtime folder of its process, by the file's name. The
            program can read the file, but not change it.
        listener_variables: variables that are set to the URL of a listener that the service serves. If there are none,
            nothing listens in the sandbox.
        workspace: the folder that it works in; without one, it works in its home directory.
        writable: whether it may write to its workspace.
        readable: further paths of the machine that it may read.
        resources: its memory, processes and processors.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    home_variables: Mapping[str, str] = field(default_factory=dict[str, str])
    runtime_variables: Mapping[str, str] = field(default_factory=dict[str, str])
    listener_variables: tuple[str, ...] = ()
    workspace: Path | None = None
    writable: bool = True
    readable: tuple[Path, ...] = ()
    resources: Resources = field(default_factory=Resources)
