"""A plugin that collects the tests once, in a process from which the workers of pytest-xdist are forked.

To import and to collect all tests takes seven seconds of a processor. If that fails, the workers are started as usual:
each collects, and reports what is wrong.
"""

import atexit
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from execnet import gateway_io
from execnet.gateway_base import Popen2IO
from xdist import remote

from onebox.errors import CannotStart
from onebox.testing import SERVER
from onebox.testing.preloaded import serve
from onebox.testing.preloading import ForkServer
from onebox.testing.unrooted import CLUSTER, cluster

_OPTION = "--fork-workers-for"
_GO_ON = "from onebox.testing.collecting import go_on; go_on(channel)"
_VARIABLES = {"TESTRUNUID": "testrunuid", "WORKER": "workerid", "WORKER_COUNT": "workercount"}
_SHORT = 0.005
"""Seconds of a setup or a teardown that `--durations` hides."""
_create: Any = gateway_io.create_io


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the process that collects: its socket."""
    parser.addoption(_OPTION, type=int, dest="workers_socket", help="collect, and fork workers (internal)")


class _Pipes(Popen2IO):
    """The pipes of a worker that was forked."""

    def __init__(self, collected: ForkServer, variables: Mapping[str, str], execmodel: Any) -> None:
        (read, self._write_end), (self._read_end, write) = os.pipe(), os.pipe()
        try:
            self._pid = collected.start(variables, [read, write])
        finally:
            os.close(read)
            os.close(write)
        cast(Any, super()).__init__(os.fdopen(self._write_end, "wb", 0), os.fdopen(self._read_end, "rb"), execmodel)

    def wait(self) -> int | None:
        with suppress(OSError):  # it has been waited for
            return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def kill(self) -> None:
        with suppress(OSError):  # it has ended
            os.kill(self._pid, signal.SIGKILL)


class _Distributing:
    """The part in the process that distributes the tests: it has workers forked, as long as that succeeds."""

    def __init__(self, config: pytest.Config) -> None:
        arguments = map(str, config.invocation_params.args)
        command = [sys.executable, "-uPm", "pytest", *arguments, "-n", "0", _OPTION]
        self._collected = ForkServer(command, os.environ)  # noqa: TID251  as workers have
        self._is_forked = True
        self._variables: dict[str, str] = {}
        self._uses_servers = not config.option.markexpr.startswith(f"not {SERVER}")
        self._plugins = config.pluginmanager
        patch = pytest.MonkeyPatch()
        patch.setattr(gateway_io, "create_io", self._create_io)
        config.add_cleanup(patch.undo)
        config.add_cleanup(self._collected.end)

    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        self._is_forked = len(specs) > 1 and all(spec.popen for spec in specs)
        if self._is_forked:
            self._collected.load()
            self._prepare()

    def _prepare(self) -> None:
        """Prepare, while the tests are collected, what each worker would."""
        if self._uses_servers:
            with suppress(CannotStart):  # which tests report
                self._variables[CLUSTER] = str(cluster())

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_getremotemodule(self) -> str | None:
        return _GO_ON if self._is_forked else None

    def _create_io(self, spec: Any, execmodel: Any) -> Any:
        if self._is_forked:
            try:
                return _Pipes(self._collected, self._variables, execmodel)
            except OSError as error:
                self._is_forked = False
                terminal: Any = self._plugins.getplugin("terminalreporter")  # which is there only now
                terminal.write_line(f"Workers collect the tests by themselves: {error}.")
        return _create(spec, execmodel)


class _Collecting:
    """The part in the process that collects: instead of running tests, it forks workers."""

    session: pytest.Session

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        if session.testsfailed:
            os._exit(pytest.ExitCode.INTERRUPTED)
        if not session.items:
            os._exit(pytest.ExitCode.NO_TESTS_COLLECTED)
        _Collecting.session = session
        serve(self._connection, self._work)
        os._exit(pytest.ExitCode.OK)

    def _work(self, variables: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Do what a worker does that is started: it reads what to do from its standard input."""
        self._connection.close()
        os.environ.update(variables)  # noqa: TID251
        config = self.session.config
        _capturing(config).stop_global_capturing()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        exec(eval(sys.stdin.readline()))  # noqa: S102, S307  the text is that of `execnet`
        cast(Any, config)._ensure_unconfigure()  # noqa: SLF001
        cast(Any, atexit)._run_exitfuncs()  # noqa: SLF001


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Be one of the two parts, or none in a worker and in a process that runs the tests itself."""
    if config.option.workers_socket is not None:
        connection = socket.socket(fileno=config.option.workers_socket)
        cast(Any, config).workerinput = {"workerid": "collecting", "workercount": 1, "mainargv": sys.argv}
        config.pluginmanager.register(_Collecting(connection))
    elif sys.platform == "linux" and not hasattr(config, "workerinput") and config.option.tx:
        config.pluginmanager.register(_Distributing(config))


class _Worker(remote.WorkerInteractor):
    """The part in a worker: it reports what matters."""

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report a phase of a test, unless it is a short setup or teardown without output that has passed."""
        if report.when == "call" or not report.passed or report.sections or report.duration >= _SHORT:
            super().pytest_runtest_logreport(report)


def go_on(channel: Any) -> None:
    """Run tests in a worker, as `xdist.remote` does after it has collected."""
    session = _Collecting.session
    config: Any = session.config
    config.workerinput, _, options, _ = channel.receive()
    config.workeroutput = {}
    for name, key in _VARIABLES.items():
        os.environ[f"PYTEST_XDIST_{name}"] = str(config.workerinput[key])  # noqa: TID251  as pytest-xdist does
    if folder := options.get("basetemp"):
        config._tmp_path_factory._given_basetemp = Path(folder)  # noqa: SLF001
    _capturing(config).start_global_capturing()
    _capturing(config).suspend_global_capture()
    interactor: Any = _Worker(config, channel)
    cast(Any, remote).interactor = interactor
    interactor.pytest_sessionstart(session)
    interactor.sendevent("collectionstart")
    interactor.pytest_collection_finish(session)
    try:
        interactor.pytest_runtestloop(session)
    except BaseException:  # noqa: BLE001  reported
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        config.notify_exception(pytest.ExceptionInfo.from_current(), config.option)
    config.hook.pytest_sessionfinish(session=session, exitstatus=session.exitstatus)


def _capturing(config: pytest.Config) -> Any:
    return config.pluginmanager.getplugin("capturemanager")
