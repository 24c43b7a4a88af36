"""The event loop of the services: that of uvloop, except that programs are started as the standard library does.

uvloop forks. This copies the page tables of the service, and afterwards each page that it writes to, so it blocks the
loop for milliseconds, the longer the more memory the service has. `subprocess` uses `vfork`, which copies none.
Where the kernel has no descriptors of processes, which notify of their ends, programs are started as uvloop does.
"""

import os
import sys
from asyncio.unix_events import (
    _UnixSubprocessTransport,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportPrivateUsage]
)
from subprocess import PIPE
from typing import Any, cast

import uvloop

from runtime.process_descriptors import has_process_descriptors


class _Transport(_UnixSubprocessTransport):  # pyright: ignore[reportUntypedBaseClass]
    """A program whose end is noticed when it ends, as uvloop does, also while others have its pipes."""

    def _check_proc(self) -> None:
        """Refuse signals to a program that has ended: its process id may belong to another one."""
        if cast(Any, self).get_returncode() is not None:
            raise ProcessLookupError
        cast(Any, super())._check_proc()  # noqa: SLF001

    def process_exited(self, returncode: int) -> None:
        """Notify the protocol, and all that wait for the program, that it has ended."""
        own = cast(Any, self)
        own._process_exited(returncode)  # noqa: SLF001
        waiters, own._exit_waiters = own._exit_waiters, []  # noqa: SLF001
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(returncode)


class EventLoop(uvloop.Loop):
    """An event loop whose thread starts programs in a fraction of a millisecond."""

    async def subprocess_exec(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Start a program, as in the base class. Raises as that does."""
        if sys.platform != "linux" or not has_process_descriptors():
            return await super().subprocess_exec(protocol_factory, *args, **options)
        pipes = [options.pop(name, PIPE) for name in ("stdin", "stdout", "stderr")]
        protocol, connected = protocol_factory(), self.create_future()
        transport = cast(Any, _Transport)(self, protocol, args, False, *pipes, 0, connected, **options)
        program = transport.get_extra_info("subprocess")
        try:
            process = os.pidfd_open(program.pid)
        except OSError:
            program.kill()
            transport.process_exited(program.wait())
            transport.close()
            raise

        def end() -> None:
            self.remove_reader(process)
            os.close(process)
            # Not `waitpid`: to close the transport may have asked for the result before.
            transport.process_exited(program.wait())

        self.add_reader(process, end)
        try:
            await connected
        except BaseException:
            transport.close()
            await transport._wait()  # noqa: SLF001
            raise
        return transport, protocol
