"""The system call filter, run by a small interpreter, so that other architectures are tested too."""

import errno
import re
import struct
from pathlib import Path

import pytest
from sandbox.seccomp import DENIED, FAMILIES, MACHINES, MODES, OPENAT2, SOCKETS, seccomp_filter

ALLOWED, KILLED = "allowed", "killed"
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
both = pytest.mark.parametrize("machine", MACHINES)


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> str | int:
    """Run the filter like the kernel, and return `ALLOWED`, `KILLED` or the error number."""
    steps = list(struct.iter_unpack("=HBBI", seccomp_filter(machine)))
    reported = MACHINES[machine][1] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, reported, 0, *arguments, *[0] * (6 - len(arguments)))
    at = loaded = 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                [loaded] = struct.unpack_from("=I", data, operand)
            case 0x06:
                return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(operand, operand & 0xFFFF)
            case _:
                holds = {0x15: loaded == operand, 0x35: loaded >= operand, 0x45: bool(loaded & operand)}[code]
                at += if_true if holds else if_false


@both
def test_every_listed_system_call_is_denied(machine: str) -> None:
    column = MACHINES[machine][0]
    numbers = {numbers[column] for numbers in DENIED.values()} - {None}
    assert {verdict(machine, number) for number in numbers if number is not None} == {errno.EPERM}


@both
def test_file_modes_with_setuid_or_setgid_are_denied(machine: str) -> None:
    column = MACHINES[machine][0]
    for *numbers, argument in MODES.values():
        if (number := numbers[column]) is not None:
            before = [0o6000] * argument
            assert verdict(machine, number, *before, 0o1777) == ALLOWED
            assert {verdict(machine, number, *before, bits) for bits in (0o4755, 0o2755)} == {errno.EPERM}


@both
def test_only_four_socket_families_are_allowed(machine: str) -> None:
    for numbers in SOCKETS.values():
        number = numbers[MACHINES[machine][0]]
        allowed = {family for family in range(64) if verdict(machine, number, family) == ALLOWED}
        assert allowed == set(FAMILIES.values())
        assert verdict(machine, number, 40) == errno.EAFNOSUPPORT


@both
def test_the_upper_half_of_the_family_argument_is_ignored(machine: str) -> None:
    assert verdict(machine, SOCKETS["socket"][MACHINES[machine][0]], 1 << 32 | 40) == errno.EAFNOSUPPORT


@both
def test_openat2_is_not_implemented(machine: str) -> None:
    assert verdict(machine, OPENAT2[MACHINES[machine][0]]) == errno.ENOSYS


@both
def test_a_system_call_of_another_architecture_kills_the_process(machine: str) -> None:
    assert verdict(machine, 0, architecture=0x40000003) == KILLED


def test_the_x32_abi_is_not_implemented() -> None:
    keyctl = DENIED["keyctl"][0]
    assert verdict("x86_64", 0x40000000 | keyctl) == errno.ENOSYS


@both
def test_the_numbers_match_the_kernel_headers(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"needs {header} (Debian: linux-libc-dev)")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    known = {name: int(number) for name, number in found}
    column = MACHINES[machine][0]
    ours = {name: row[column] for name, row in (DENIED | MODES | SOCKETS | {"openat2": OPENAT2}).items()}
    # Headers may be older than a system call; one that an architecture lacks is in no header.
    assert {name: number for name, number in ours.items() if known.get(name, number) != number} == {}
    assert [name for name, number in ours.items() if number is None and name in known] == []
