"""Attacks on what all accounts of a machine, or all agents of an account, share with the kernel."""

import os

import pytest

from tests.adversarial.attacker import Alone, Attacker

EVERY_SETTING = """
def may_write(path):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        return False
    return True
found = [os.path.join(folder, name) for folder, _, names in os.walk("/proc/sys") for name in names]
found += ["/proc/mtrr", "/proc/sysrq-trigger", *(f"/proc/pressure/{name}" for name in ("cpu", "io", "memory"))]
print(json.dumps([path for path in found if may_write(path)]))
"""
SAME_VALUE = """
def write(path):
    with open(path) as setting:
        value = setting.read()
    with open(path, "w") as setting:
        setting.write(value)
paths = ("core_pattern", "hostname", "ns_last_pid")
print(json.dumps([attempt(lambda: write(f"/proc/sys/kernel/{path}")) for path in paths]))
"""
DENIED = {
    "add_key": 'b"user", b"agent", b"x", 1, -5',
    "request_key": 'b"user", b"agent", None, 0',
    "keyctl": "0, -4, 0",
    "ptrace": "0, 0, 0, 0",
    "process_vm_readv": "os.getpid(), None, 0, None, 0, 0",
    "process_vm_writev": "os.getpid(), None, 0, None, 0, 0",
    "pidfd_getfd": 'call("pidfd_open", os.getppid(), 0), 0, 0',
    "io_uring_setup": "1, ctypes.create_string_buffer(120)",
    "bpf": "0, None, 0",
    "perf_event_open": "None, 0, -1, -1, 0",
    "userfaultfd": "1",
    "syslog": "3, ctypes.create_string_buffer(100), 100",
    "unshare": "0x10000000",
}


def test_kernel_settings_cannot_be_written(attacker: Attacker) -> None:
    assert attacker.run(EVERY_SETTING) == []


def test_a_kernel_setting_rejects_its_current_value_too(attacker: Attacker) -> None:
    assert set(attacker.run(SAME_VALUE)) <= {"EROFS", "EACCES"}


def test_system_calls_that_reach_others_are_denied(attacker: Attacker) -> None:
    calls = ", ".join(f'"{name}": call("{name}", {arguments})' for name, arguments in DENIED.items())
    assert attacker.run(f"print(json.dumps({{{calls}}}))") == dict.fromkeys(DENIED, "EPERM")


def test_agents_do_not_share_a_keyring(attacker: Attacker, neighbour: Attacker) -> None:
    attacker.run('print(json.dumps(call("add_key", b"user", b"agent", b"secret", 6, -3)))')
    # What an attack that succeeds finds is revoked.
    search = 'found = call("keyctl", 10, -3, b"user", b"agent", 0)\n'
    revoke = 'isinstance(found, int) and call("keyctl", 3, found)\nprint(json.dumps(found))'
    assert neighbour.run(search + revoke) == "EPERM"


def test_keys_of_the_host_are_not_listed(attacker: Attacker) -> None:
    assert attacker.bash("cat /proc/keys /proc/key-users 2> /dev/null | wc -c") == "0"


def test_what_engines_hide_from_containers_is_hidden(attacker: Attacker) -> None:
    hidden = ("acpi", "asound", "interrupts", "kcore", "latency_stats", "sched_debug", "scsi", "timer_list")
    attacker.put(b"")
    looked = " ".join(f"/proc/{name}" for name in hidden)
    assert attacker.bash(f"(find {looked} -mindepth 1; cat {looked}) 2> /dev/null | wc -c") == "0"


def test_other_socket_families_are_denied(attacker: Attacker) -> None:
    families = ("AF_VSOCK", "AF_ALG", "AF_PACKET", "AF_CAN", "AF_TIPC")
    tried = [f"attempt(lambda: socket.socket(socket.{family}, socket.SOCK_STREAM))" for family in families]
    assert attacker.run(f"print(json.dumps([{', '.join(tried)}]))") == ["EAFNOSUPPORT"] * len(families)


def test_descriptors_in_flight_do_not_stop_other_agents_from_starting(attacker: Attacker, neighbour: Attacker) -> None:
    program = """
import resource
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
held = [socket.socketpair() for _ in range(8)]
for pair in held:
    pair[0].setblocking(False)
    for _ in range(5):
        attempt(lambda: socket.send_fds(pair[0], [b"x"], [1] * 250))
result = None
"""
    with attacker.hold(program):
        assert neighbour.bash("echo started") == "started"


def test_setuid_and_setgid_bits_cannot_be_set(attacker: Attacker) -> None:
    tried = attacker.run("""
open("a", "w").close()
bits = (0o4755, 0o2755, 0o6777)
made = [attempt(lambda: os.chmod("a", mode)) for mode in bits]
made += [attempt(lambda: os.chmod(os.open("a", os.O_RDONLY), mode)) for mode in bits]
made += [attempt(lambda: os.open(f"b{mode}", os.O_CREAT | os.O_WRONLY, mode)) for mode in bits]
made += [attempt(lambda: os.open(".", os.O_TMPFILE | os.O_WRONLY, mode)) for mode in bits]
made += [attempt(lambda: os.mknod(f"c{mode}", mode)) for mode in bits]
made += [call("openat2", -100, b"e", (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0), 24)]
print(json.dumps(made))
""")
    assert set(tried) == {"EPERM", "ENOSYS"}
    assert [path for path in attacker.workspace.rglob("*") if path.lstat().st_mode & 0o6000] == []


def test_files_of_an_agent_do_not_belong_to_root(attacker: Attacker) -> None:
    if isinstance(attacker, Alone) and os.geteuid() == 0:
        pytest.skip("root runs the sandbox: only a system switches to another account")
    attacker.bash("touch mine")
    assert (attacker.workspace / "mine").stat().st_uid != 0


def test_the_workspace_is_mounted_nosuid(attacker: Attacker) -> None:
    options = attacker.bash("grep ' /workspace ' /proc/self/mounts | cut -d' ' -f4").split(",")
    assert {"nosuid", "nodev"} <= set(options)
