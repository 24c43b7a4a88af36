"""The seccomp filter of sandboxes, as a program that the launcher installs in the kernel.

It denies what Docker's default profile denies a container without capabilities, and in addition: keyrings, which no
namespace separates; access to other processes; socket families except the usual four; and setuid and setgid bits.

Programs in one sandbox are not protected from each other: through `/proc/<pid>/mem` and `/proc/<pid>/fd` they reach
processes of the same user id without the calls that are denied here. docs/guides/sandbox.md says what follows.
"""

import errno
import struct

# The numbers on x86_64 and on aarch64, which lacks the oldest calls.
DENIED: dict[str, tuple[int, int | None]] = {
    # Shared by all processes of the account, regardless of their namespaces.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Access to other processes; no boundary (see above), but less attack surface. BPF cannot distinguish a program's
    # own children, so debuggers do not work either.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # Large attack surface that few programs need. Calls made through an io_uring bypass the filter.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    # The host's kernel log.
    "syslog": (103, 116),
    # Namespaces and mounts.
    "setns": (308, 268),
    "unshare": (272, 97),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "open_by_handle_at": (304, 265),
    # The machine.
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "vhangup": (153, 58),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "lookup_dcookie": (212, 18),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "nfsservctl": (180, 42),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "ustat": (136, None),
    # The launcher decides which processors are used.
    "sched_setaffinity": (203, 122),
    # Placement of memory.
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "get_mempolicy": (239, 236),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "set_mempolicy_home_node": (450, 450),
}
# Calls with a file mode, and the index (from 0) of that argument. Setuid and setgid bits are denied: outside the
# sandbox the file belongs to the account that the service runs as.
MODES: dict[str, tuple[int, int | None, int]] = {
    "chmod": (90, None, 1),
    "fchmod": (91, 52, 1),
    "fchmodat": (268, 53, 2),
    "fchmodat2": (452, 452, 2),
    "open": (2, None, 2),
    "creat": (85, None, 1),
    "openat": (257, 56, 3),
    "mknod": (133, None, 1),
    "mknodat": (259, 33, 2),
}
# The filter cannot read the structure that holds the mode. Programs fall back to openat.
OPENAT2 = (437, 437)
SOCKETS: dict[str, tuple[int, int]] = {"socket": (41, 198), "socketpair": (53, 199)}
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
SET_ID_BITS = 0o6000

MACHINES = {
    "x86_64": (0, 0xC000003E),
    "aarch64": (1, 0xC00000B7),
}  # the column in the tables above, and the kernel's AUDIT_ARCH_* value
_X32 = 0x40000000  # set in the numbers of x86_64's other ABI

_LOAD, _EQUALS, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

type Instruction = tuple[int, int, int, int]


def seccomp_filter(machine: str) -> bytes:
    """Return the filter for `machine` as an array of `struct sock_filter`.

    Raises:
        KeyError: the numbers of its system calls are not known here.
    """
    column, architecture = MACHINES[machine]
    steps = [_load(_ARCHITECTURE), *_unless(architecture, [_return(_KILL)]), _load(_NUMBER)]
    if machine == "x86_64":
        steps += [(_AT_LEAST, 0, 1, _X32), _fail(errno.ENOSYS)]
    for numbers in DENIED.values():
        steps += _when(numbers[column], [_fail(errno.EPERM)])
    steps += _when(OPENAT2[column], [_fail(errno.ENOSYS)])
    for *numbers, argument in MODES.values():
        has_bits = [_load(_ARGUMENTS + 8 * argument), (_HAS_BITS, 0, 1, SET_ID_BITS), _fail(errno.EPERM)]
        steps += _when(numbers[column], [*has_bits, _return(_ALLOW)])
    for numbers in SOCKETS.values():
        allowed = [step for family in FAMILIES.values() for step in _when(family, [_return(_ALLOW)])]
        steps += _when(numbers[column], [_load(_ARGUMENTS), *allowed, _fail(errno.EAFNOSUPPORT)])
    return b"".join(struct.pack("=HBBI", *step) for step in [*steps, _return(_ALLOW)])


def _when(value: int | None, steps: list[Instruction]) -> list[Instruction]:
    return [] if value is None else [(_EQUALS, 0, len(steps), value), *steps]


def _unless(value: int, steps: list[Instruction]) -> list[Instruction]:
    return [(_EQUALS, len(steps), 0, value), *steps]


def _load(offset: int) -> Instruction:
    # The lower half of an argument is enough: both machines are little-endian, and all inspected values have 32 bits.
    return (_LOAD, 0, 0, offset)


def _return(action: int) -> Instruction:
    return (_RETURN, 0, 0, action)


def _fail(number: int) -> Instruction:
    return _return(_FAIL | number)
