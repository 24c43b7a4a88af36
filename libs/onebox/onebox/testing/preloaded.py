"""A program that has loaded the code of all services, and forks programs which use it (see `preloading.py`).

Its arguments are the names of the services and the number of a socket. Each request is answered with a process id.
"""

import ctypes
import json
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Never, cast

from runtime.loading import loading

with loading():
    from onebox.children import end_with_parent
    from onebox.forking import LOADED_LATER, Preloading, end_with, set_environment, set_name

COSTLY_PASSWORDS = "COSTLY_PASSWORDS"
"""A variable for programs whose passwords shall cost as much as those of users do; others hash them quickly."""
_MAX_REQUEST = 1_000_000
_PASSWORDS = "identity.credentials.passwords"
_PR_SET_DUMPABLE = 4
_libc = ctypes.CDLL(None)
_execute = os.execv


def main(connection: socket.socket, services: Sequence[str]) -> None:
    """Load the code of the services, and fork programs until the other end of the connection is closed."""
    with loading():
        import_module("onebox.launcher")
    preloading = Preloading(services)
    preloading.start()
    preloading.finish()
    with loading():
        for name in LOADED_LATER if services else ():  # each program would take half a second for its first agent
            import_module(name)
    serve(connection, _run)


def serve(connection: socket.socket, run: Callable[[dict[str, Any], Sequence[int]], None]) -> None:
    """Fork this process for each request, with what it asks for and its descriptors, until the connection is closed."""
    while True:
        content, descriptors, _, _ = socket.recv_fds(connection, _MAX_REQUEST, 3)
        if not content:
            return
        connection.send(str(_fork(partial(run, json.loads(content), descriptors))).encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(run: Callable[[], None]) -> int:
    """Fork a program by a process that ends at once, so that the test process adopts it."""
    reader, writer = os.pipe()
    if not (between := os.fork()):
        own = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(writer, str(pid).encode())
            os._exit(0)
        while os.getppid() == own:
            time.sleep(0.0002)
        end_with(partial(_follow_parent, run))
    os.close(writer)  # so that reading ends if nothing was forked
    os.waitpid(between, 0)
    pid = int(os.read(reader, 32))
    os.close(reader)
    return pid


def _follow_parent(run: Callable[[], None]) -> None:
    end_with_parent(signal.SIGKILL)
    run()


def _run(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    if request["new_session"]:
        os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request["folder"])
    _choose_cost_of_passwords(request["environment"])
    set_environment(request["environment"])
    if request["environment"].get("PYTHONUNBUFFERED"):
        cast(TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    sys.argv = request["program"]
    set_name(Path(sys.argv[0]).stem)
    _run_program(sys.argv[0])


def _choose_cost_of_passwords(environment: MutableMapping[str, str]) -> None:
    """Hash passwords with the lowest cost that Argon2id allows: each would else take 0.2 s of a processor."""
    if environment.pop(COSTLY_PASSWORDS, None) is None and (passwords := sys.modules.get(_PASSWORDS)):
        cheap = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
        cast(Any, passwords).PasswordHasher = partial(cast(Any, passwords).PasswordHasher, **cheap)


def _run_program(program: str) -> None:
    """Run a module, or a file beside tests."""
    os.execv = partial(_go_on, program, sys.argv)
    if program.endswith(".py"):
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")
    else:
        if program.startswith("services."):
            sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def _go_on(program: str, own: list[str], path: Any, arguments: Any) -> Never:
    """Stand in for `os.execv`: a program that restarts itself with another account goes on with its code."""
    if arguments is not sys.orig_argv:
        _execute(path, arguments)
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # as after a restart: else `/proc/self` would belong to root
    sys.argv = own
    _run_program(program)
    sys.exit()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[-1])), sys.argv[1:-1])
