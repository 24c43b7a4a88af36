"""The event loop of the services: that of uvloop, except that programs are started as the standard library does.

uvloop forks. This copies the page tables of the service, and afterwards each page that it writes to, so it blocks the
loop for milliseconds, the longer the more memory the service has. `subprocess` uses `vfork`, which copies none.
"""

import os
import sys
from asyncio.unix_events import (
    _UnixSubprocessTransport,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportPrivateUsage]
)
from subprocess import PIPE
from typing import Any, cast

import uvloop


class EventLoop(uvloop.Loop):
    """An event loop whose thread starts programs in a fraction of a millisecond."""

    async def subprocess_exec(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Start a program, as in the base class. Raises as that does."""
        if sys.platform != "linux":
            return await super().subprocess_exec(protocol_factory, *args, **options)
        pipes = [options.pop(name, PIPE) for name in ("stdin", "stdout", "stderr")]
        protocol, connected = protocol_factory(), self.create_future()
        transport = cast(Any, _UnixSubprocessTransport)(self, protocol, args, False, *pipes, 0, connected, **options)
        process = os.pidfd_open(transport.get_pid())

        def end() -> None:
            self.remove_reader(process)
            os.close(process)
            # Not `waitpid`: to close the transport may have asked for the result before.
            transport._process_exited(transport.get_extra_info("subprocess").wait())  # noqa: SLF001

        self.add_reader(process, end)
        try:
            await connected
        except BaseException:
            transport.close()
            await transport._wait()  # noqa: SLF001
            raise
        return transport, protocol
