"""Starting, supervising and stopping the whole system, in order."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runtime.settings import InvalidSettings, misspelled_settings, variables_of
from sandbox.cgroups import divide_own_cgroup

from onebox.account import drop_root
from onebox.banner import banner
from onebox.checking import checked_settings
from onebox.children import SERVICE_SETTINGS, Child, stop_all
from onebox.errors import CannotStart
from onebox.folder import DataFolder
from onebox.forking import Preloading, forget_working_directory
from onebox.nats import EmbeddedNats
from onebox.pango import install_in_background
from onebox.ports import ReservedPort
from onebox.postgres import EmbeddedPostgres
from onebox.readiness import ReadyCheck, any_has_sample, describe_not_ready, not_ready, scrape_targets
from onebox.services import STOP_ORDER, DatabaseUrls, LaunchContext, Programs, Service, names, services
from onebox.settings import PREFIXES, BoxSettings, url_of
from onebox.supervision import Supervisor
from onebox.terminal import fail, report

READY_TIMEOUT = 60.0
type ServiceTable = Callable[[LaunchContext], Sequence[Service]]


class Launcher:
    """One run of the system. `table` returns the services to start."""

    def __init__(
        self,
        settings: BoxSettings,
        table: ServiceTable = services,
        ready_timeout: float = READY_TIMEOUT,
        preloaded: Sequence[str] = (),
    ) -> None:
        self._settings, self._table, self._ready_timeout = settings, table, ready_timeout
        self._preloading = Preloading(preloaded)
        self._started_at = time.monotonic()
        self._stop = threading.Event()
        self._force_stop = threading.Event()
        self._supervisor = Supervisor(report)
        self._cleanup = contextlib.ExitStack()  # releases and stops everything in reverse order

    def run(self) -> None:
        """Run the system until it is asked to stop.

        Raises:
            CannotStart: the system could not be started or kept running. Everything has been stopped.
        """
        self._handle_signals()
        with self._cleanup:
            context = self._start_servers()
            self._preloading.finish()
            checks = self._start_services(context)
            if self._until_ready(checks):
                self._announce(context, checks)
                while not self._stop.wait(0.1):
                    self._supervisor.check()
            report("Stopping…")
        report("Stopped.")

    def _handle_signals(self) -> None:
        def request_stop(_number: int, _frame: object) -> None:
            if self._stop.is_set():
                self._force_stop.set()  # the second Ctrl-C: do not wait for services to finish
            self._stop.set()

        signal.signal(signal.SIGINT, request_stop)
        signal.signal(signal.SIGTERM, request_stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: keep running without the terminal
            signal.signal(signal.SIGHUP, request_stop)

    def _start_servers(self) -> LaunchContext:
        settings = self._settings
        folder = DataFolder(settings.data_dir)
        self._cleanup.callback(folder.close)
        self._cleanup.enter_context(ReservedPort(settings.host, settings.port))
        report(f"Starting. Data directory: {folder.path}")
        self._preloading.start()
        database, (nats_url, programs) = self._start_database(folder), self._start_bus(folder)
        return LaunchContext(settings, folder, database, nats_url, self._free_port, programs)

    def _start_database(self, folder: DataFolder) -> DatabaseUrls:
        settings = self._settings
        if settings.database_url:
            return DatabaseUrls(settings.database_url, settings.migration_database_url)
        server = EmbeddedPostgres(folder, bindir=settings.pg_bindir)
        return DatabaseUrls(server.service_url, self._start_embedded(server))

    def _start_bus(self, folder: DataFolder) -> tuple[Callable[[str], str], Programs]:
        settings = self._settings
        if external := settings.nats_url:
            seed = settings.bus_issuer_seed.get_secret_value() if settings.bus_issuer_seed else None
            return lambda _: external, Programs(seed, settings.bus_url)
        server = EmbeddedNats(folder, port=settings.nats_port)
        self._start_embedded(server)
        return server.url_of, Programs(server.issuer_seed(), settings.bus_url or server.address())

    def _start_embedded(self, server: EmbeddedPostgres | EmbeddedNats) -> str:
        self._cleanup.callback(server.stop)
        url = server.start()
        self._supervisor.watch(server.child)
        return url

    def _free_port(self) -> int:
        return self._cleanup.enter_context(ReservedPort()).number

    def _start_services(self, context: LaunchContext) -> list[ReadyCheck]:
        table = self._table(context)
        checks = [ReadyCheck(Child(row.program, context.folder), row.port) for row in table]
        for stage in reversed(STOP_ORDER):
            children = [check.child for check in checks if check.child.name in stage]
            self._cleanup.callback(stop_all, children, self._force_stop.is_set)
        for check in checks:
            check.child.start()
            self._supervisor.watch(check.child)
        return checks

    def _until_ready(self, waiting: list[ReadyCheck]) -> bool:
        end = time.monotonic() + self._ready_timeout
        while waiting := not_ready(waiting):
            if time.monotonic() > end:
                raise CannotStart(describe_not_ready(waiting, self._ready_timeout))
            if self._stop.wait(0.05):
                return False
            self._supervisor.check()
        return True

    def _announce(self, context: LaunchContext, checks: Sequence[ReadyCheck]) -> None:
        unconfined = any_has_sample(checks, "session", "agent_sandbox 0.0")
        without_pdf = any_has_sample(checks, "report", "report_pdf_available 0.0")
        self._record(context.folder.address, url_of(self._settings.host, self._settings.port))
        self._record(context.folder.ops, scrape_targets(checks))
        self._supervisor.started = True
        seconds = time.monotonic() - self._started_at
        report(banner(context, seconds, unconfined=unconfined, without_pdf=without_pdf))
        # Deleted last, so that the password is shown again if the launcher crashes before this line.
        context.first_admin.unlink(missing_ok=True)

    def _record(self, file: Path, text: str) -> None:
        """Write a file that exists while the system runs."""
        self._cleanup.callback(file.unlink, missing_ok=True)
        file.write_text(text)


def main(table: ServiceTable | None = None, ready_timeout: float = READY_TIMEOUT) -> int:
    """Run the system with the settings of the environment, and return the exit code.

    Another `table` than that of the services starts programs whose code this process does not load.
    """
    try:
        forget_working_directory()
        settings = checked_settings()
        install_in_background()  # while this process may be root
        drop_root(settings.data_dir, settings.pg_bindir)
        divide_own_cgroup()  # before the services start, which have to be in a part of it
        known = variables_of(BoxSettings) | {*SERVICE_SETTINGS}
        for warning in misspelled_settings(known, PREFIXES):
            report(f"Warning: {warning}")
        preloaded = () if table else names(settings)
        Launcher(settings, table or services, ready_timeout, preloaded).run()
    except InvalidSettings as error:
        return fail(f"Invalid settings. Correct or unset them:\n{error}", 2)
    except CannotStart as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"The system cannot continue: {error}")
    return 0
