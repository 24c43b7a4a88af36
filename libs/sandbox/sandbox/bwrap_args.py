"""The arguments of bubblewrap, which define what a program sees."""

import sys
from pathlib import Path

from sandbox.namespace import MEMORY_FOLDERS

HERE = Path(__file__).parent
PYTHON = Path(sys.executable).resolve()
WORKSPACE, HOME = "/workspace", "/home"

BASE_ARGS = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
    *("--hostname", "sandbox", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--as-pid-1"),
    *("--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"),
)


# bubblewrap 0.11 covers /proc/sys only if it is writable, and checks that as an account without rights on it. The
# kernel checks the host's user id alone, so a program started by the host's root could change the kernel's settings.
READ_ONLY_PATHS = [f"/proc/{name}" for name in ("sys", "mtrr", "pressure", "irq", "bus", "fs", "sysrq-trigger")]
# What engines mask in a container, too; from `interrupts`, keystrokes of others can be timed.
MASKED_PATHS = [
    f"/proc/{name}"
    for name in ("keys", "key-users", "kcore", "timer_list", "latency_stats", "sched_debug", "interrupts")
]
MASKED_FOLDERS = [f"/proc/{name}" for name in ("acpi", "asound", "scsi")]


def bwrap_args(
    readable: list[Path], workspace: Path | None, *, writable: bool, memory: Path | None = None
) -> list[str]:
    """Return the arguments for a sandbox with read-only access to the paths in `readable`.

    Writable are the `workspace` if `writable` says so, and the in-memory file systems /tmp, /home and /dev/shm, which
    end with the sandbox: those that were prepared in `memory`, or new ones. bubblewrap mounts everything with nosuid.
    """
    words = [*BASE_ARGS, *_memory(memory), "--remount-ro", "/dev", *_kernel(), *_system()]
    words += [word for path in [*readable, *_python()] for word in _bind(path)]
    if workspace:
        words += ["--bind" if writable else "--ro-bind", str(workspace), WORKSPACE]
    return [*words, "--chdir", WORKSPACE if workspace else HOME, "--setenv", "IS_SANDBOX", "1", "--remount-ro", "/"]


def _memory(prepared: Path | None) -> list[str]:
    words: list[str] = []
    for folder in MEMORY_FOLDERS:
        if prepared:
            words += ["--bind", str(prepared / folder.name), folder.target]
        else:
            words += ["--size", str(folder.max_bytes), "--tmpfs", folder.target]
    return words


def _kernel() -> list[str]:
    covers = [word for path in READ_ONLY_PATHS for word in _bind(path)]
    for path in MASKED_PATHS:
        covers += _bind("/dev/null", path) if Path(path).exists() else []
    for path in MASKED_FOLDERS:
        covers += ["--tmpfs", path, "--remount-ro", path] if Path(path).exists() else []
    return covers


def _system() -> list[str]:
    words = [*_bind(HERE / "passwd", "/etc/passwd"), *_bind(HERE / "group", "/etc/group")]
    # Only parts of /etc/ssl, which also holds the machine's private keys.
    # Java of Debian and Ubuntu reads its settings there; their other folders may hold passwords.
    java = sorted(Path("/etc").glob("java-*-openjdk/security"))
    for path in ("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/alternatives", "/etc/ld.so.cache", *java):
        words += _bind(path)
    for path in (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64")):
        words += ["--symlink", str(path.readlink()), str(path)] if path.is_symlink() else _bind(path)
    return words


def _python() -> list[Path]:
    return [] if PYTHON.is_relative_to("/usr") else [Path(sys.base_prefix)]


def _bind(path: Path | str, at: Path | str | None = None) -> list[str]:
    return ["--ro-bind-try", str(path), str(at or path)]
