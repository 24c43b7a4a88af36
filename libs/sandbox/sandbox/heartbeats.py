"""Heartbeats keep sandboxed processes alive while their service is running."""

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

HEARTBEAT_SECONDS = 2.0


class HasHeartbeat(Protocol):
    """Something that a sandboxed process belongs to."""

    def send_heartbeat(self) -> None:
        """Keep the process alive for the next seconds."""
        ...


class Heartbeats:
    """Sends heartbeats to what `processes` returns, which is called in a thread.

    A busy event loop must not stop the heartbeats, because its processes are still owned. A stopped service (SIGSTOP)
    must.
    """

    def __init__(self, processes: Callable[[], Iterable[HasHeartbeat]]) -> None:
        self._processes, self._stopped = processes, threading.Event()

    def start(self) -> None:
        """Start to send heartbeats."""
        threading.Thread(target=self._send, name="heartbeats", daemon=True).start()

    def stop(self) -> None:
        """Stop sending."""
        self._stopped.set()

    def _send(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            for process in self._processes():
                process.send_heartbeat()
