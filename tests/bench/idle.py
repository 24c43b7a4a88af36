"""What services need when they have nothing to do: each alone after its imports, and all of an idle system."""

import re
import subprocess
import sys
import time
from importlib.metadata import distribution, packages_distributions

from contracts.catalogue import SERVICES
from onebox.testing.system import System
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.bench import memory
from tests.bench.report import Aim, Line
from tests.bench.stage import Stage

LARGE = frozenset({"gateway", "session"})
SECONDS = (30, 75)
"""After the start: connections to PostgreSQL are closed when they were not used for half a minute."""
PROGRAM = """
import sys
service, others = sys.argv[1], {*sys.argv[2:]}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in others:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
from importlib import import_module
from runtime.loading import loading
with loading():
    for name in ("gateway.__main__",) if service == "gateway" else ("eventing.main", f"{service}.app"):
        import_module(name)
print(open("/proc/self/smaps_rollup").read())
"""


async def measure(_stage: Stage) -> list[Line]:
    """Measure both. Of the files of libraries, processes have their part in PSS, and nothing in what is their own."""
    return [*map(_alone, ("gateway", *SERVICES)), *_idle()]  # nothing else runs meanwhile


def _alone(service: str) -> Line:
    own = _dependencies(f"agentapi-{service.replace('_', '-')}")
    modules = packages_distributions()
    others = [name for name in modules if own.isdisjoint(map(canonicalize_name, modules[name]))]
    command = [sys.executable, "-P", "-c", PROGRAM, service, *others]
    rollup = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    count, proportional = (int(_field(name, rollup)) / 1024 for name in ("Private_Dirty", "Pss"))
    aim = Aim(75 if service in LARGE else 60, " MiB", most=True)
    return Line(f"{service} alone, of its own; PSS", f"{count:.1f} MiB", f"{proportional:.1f} MiB", count, aim, " MiB")


def _field(name: str, rollup: str) -> str:
    return re.findall(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)[0]


def _dependencies(name: str) -> set[str]:
    """Return the names of a distribution and of all that it needs, as an image of it has them."""
    found, unseen = set[str](), [(name, "")]
    seen = set[tuple[str, str]]()
    while unseen:
        seen.add(wanted := unseen.pop())
        found.add(canonicalize_name(wanted[0]))
        for each in map(Requirement, distribution(wanted[0]).requires or ()):
            if each.marker is None or each.marker.evaluate({"extra": wanted[1]}):
                unseen += {(each.name, extra) for extra in ("", *each.extras)} - seen
    return found


def _idle() -> list[Line]:
    with System({"SPARE_AGENTS": "2"}, claude_code=True, prepared=False) as system:
        system.start()
        pid, lines, waited = system.pids()["launcher"], list[Line](), 0
        for seconds in SECONDS:
            time.sleep(seconds - waited)
            waited, used = seconds, memory.used(pid) / 2**20
            what = f"idle system {seconds} s after its first start, PSS"
            lines.append(Line(what, f"{used:.0f} MiB", "", used, Aim(400, " MiB", most=True), " MiB"))
        system.stop()
    return lines
