"""Brings the whole system up in order, keeps it up, and takes it down in order."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence

from runtime.settings import InvalidSettings, load, misspelled_settings

from onebox.account import leave_root
from onebox.banner import banner, url_of
from onebox.children import SERVICE_SETTINGS, Child, stop_all
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.ports import ReservedPort
from onebox.postgres import EmbeddedPostgres
from onebox.readiness import ReadyCheck, explained, not_ready
from onebox.services import STOP_ORDER, Place, Service, services
from onebox.settings import PREFIXES, BoxSettings
from onebox.supervision import Supervisor
from onebox.terminal import fail, say
from onebox.trouble import CannotStart

READY_SECONDS = 60.0
type Table = Callable[[Place], Sequence[Service]]


class Launcher:
    """One run of the system; `table` says which services there are."""

    def __init__(self, settings: BoxSettings, table: Table = services, patience: float = READY_SECONDS) -> None:
        self._settings, self._table, self._patience = settings, table, patience
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._supervisor = Supervisor(say)
        self._held = contextlib.ExitStack()  # whatever was taken or started is given back in reverse order

    def run(self) -> None:
        """Run until asked to stop.

        Raises:
            CannotStart: the system cannot be brought up, or cannot be kept up; everything has been stopped.
        """
        self._listen_to_signals()
        with self._held:
            place = self._servers()
            checks = self._services(place)
            if self._until_ready(checks):
                self._announce(place, checks)
                while not self._stop.wait(0.1):
                    self._supervisor.check()
            say("Stopping…")
        say("Stopped.")

    def _listen_to_signals(self) -> None:
        def asked(_number: int, _frame: object) -> None:
            if self._stop.is_set():
                self._hurry.set()  # the second Ctrl-C: services get no more time to finish
            self._stop.set()

        signal.signal(signal.SIGINT, asked)
        signal.signal(signal.SIGTERM, asked)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to outlive the terminal
            signal.signal(signal.SIGHUP, asked)

    def _servers(self) -> Place:
        settings = self._settings
        folder = DataFolder(settings.data_dir)
        self._held.callback(folder.close)
        self._held.enter_context(ReservedPort(settings.host, settings.port))
        say(f"Starting; the data lies in {folder.path}.")
        return Place(
            settings,
            folder,
            settings.database_url or self._embedded(EmbeddedPostgres(folder, bindir=settings.pg_bindir)),
            settings.nats_url or self._embedded(EmbeddedNats(folder)),
            self._free_port,
        )

    def _embedded(self, server: EmbeddedPostgres | EmbeddedNats) -> str:
        self._held.callback(server.stop)
        url = server.start()
        self._supervisor.watch(server.child)
        return url

    def _free_port(self) -> int:
        return self._held.enter_context(ReservedPort()).number

    def _services(self, place: Place) -> list[ReadyCheck]:
        table = self._table(place)
        checks = [ReadyCheck(Child(row.program, place.folder), row.host, row.port) for row in table]
        for stage in reversed(STOP_ORDER):
            self._held.callback(stop_all, [c.child for c in checks if c.child.name in stage], self._hurry.is_set)
        for check in checks:
            check.child.start()
            self._supervisor.watch(check.child)
        return checks

    def _until_ready(self, waiting: list[ReadyCheck]) -> bool:
        until = time.monotonic() + self._patience
        while waiting := not_ready(waiting):
            if time.monotonic() > until:
                raise CannotStart(explained(waiting, self._patience))
            if self._stop.wait(0.05):
                return False
            self._supervisor.check()
        return True

    def _announce(self, place: Place, checks: Sequence[ReadyCheck]) -> None:
        unconfined = any(check.measures("agent_sandbox 0.0") for check in checks)
        say(banner(place, time.monotonic() - self._began, unconfined=unconfined))
        self._held.callback(place.folder.address.unlink, missing_ok=True)
        place.folder.address.write_text(url_of(self._settings.host, self._settings.port))
        self._supervisor.started = True
        place.first_admin.unlink(missing_ok=True)  # a crash before this line shows the password again


def main(table: Table = services, patience: float = READY_SECONDS) -> int:
    """Run the system as the environment says, and give the exit code."""
    try:
        settings = load(BoxSettings)
        leave_root(settings.data_dir, settings.pg_bindir)
        known = {field.upper() for field in BoxSettings.model_fields} | {*SERVICE_SETTINGS}
        for warning in misspelled_settings(known, PREFIXES):
            say(f"Warning: {warning}")
        Launcher(settings, table, patience).run()
    except InvalidSettings as wrong:
        return fail(f"A setting is wrong. Correct or unset it:\n{wrong}", 2)
    except CannotStart as trouble:
        return fail(str(trouble))
    except OSError as error:
        return fail(f"The system cannot go on: {error}")
    return 0
