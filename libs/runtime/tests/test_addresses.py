"""Tests of the addresses that connections may go to."""

from ipaddress import ip_address

import pytest
from runtime.http.addresses import Address, AddressNotAllowed, AddressRules, HostNotFound, is_ambiguous, resolve

PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "198.17.0.1",
          "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888",
          "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]  # fmt: skip
SPECIAL = {
    "this network": ["0.0.0.0", "0.255.255.255"],  # noqa: S104  no binding
    "private": ["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"],
    "shared": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "febf::1", "fe80::1%eth0"],
    "assignments": ["192.0.0.1", "192.0.0.192", "2001::1", "2001:1ff:ffff::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff:ffff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.254", "4000::1", "e000::1", "100::1", "5f00::1"],
    "broadcast": ["255.255.255.255"],
    "unspecified": ["::"],
    "unique local": ["fc00::1", "fdff::1", "fd00:ec2::254", "fd20:ce::254"],
    "site-local": ["fec0::1"],
    "platform of Azure": ["168.63.129.16"],
    "relays of 6to4": ["192.88.99.1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0"],
    "IPv4-compatible": ["::127.0.0.1", "::10.0.0.1", "::8.8.8.8"],
    "IPv4-translated": ["::ffff:0:127.0.0.1"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "64:ff9b::169.254.169.254"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
}
ALL_SPECIAL = [address for addresses in SPECIAL.values() for address in addresses]


def resolving(*answers: str) -> AddressRules:
    async def answer(host: str, port: int) -> list[Address]:
        return [ip_address(address) for address in answers]

    return AddressRules(resolver=answer)


def test_public_addresses_are_permitted() -> None:
    assert [address for address in PUBLIC if not AddressRules().permit(ip_address(address))] == []


def test_special_addresses_are_not_permitted() -> None:
    assert [address for address in ALL_SPECIAL if AddressRules().permit(ip_address(address))] == []


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::7"])
def test_networks_of_the_operator_are_permitted_in_all_forms(address: str) -> None:
    assert AddressRules.parse("10.1.0.0/16, fd00::/8").permit(ip_address(address))


def test_an_allowed_network_permits_no_other() -> None:
    assert not AddressRules.parse("10.1.0.0/16").permit(ip_address("10.2.0.1"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("mcp.internal", True), ("MCP.internal.", True), ("a.b.example.org", True), ("example.org", False),
     ("evilexample.org", False), ("other.internal", False)],
)  # fmt: skip
def test_hosts_of_the_operator_are_permitted_by_name(host: str, expected: bool) -> None:
    assert AddressRules.parse("mcp.internal,*.example.org").permit_host(host) is expected


@pytest.mark.parametrize("text", ["10.0.0.1/8", "1.2.3", "a b", "http://x", "*", "-x", "x..y"])
def test_entries_that_are_neither_network_nor_host_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a network"):
        AddressRules.parse(text)


async def test_a_name_with_public_addresses_is_resolved() -> None:
    assert await resolving("1.1.1.1", "2606:4700::1").addresses("x.org", 443) == [
        ip_address("1.1.1.1"),
        ip_address("2606:4700::1"),
    ]


@pytest.mark.parametrize("answers", [("10.0.0.1",), ("1.1.1.1", "10.0.0.1"), ("1.1.1.1", "::1")])
async def test_a_name_with_any_special_address_is_refused(answers: tuple[str, ...]) -> None:
    with pytest.raises(AddressNotAllowed, match=r"x\.org"):
        await resolving(*answers).addresses("x.org", 443)


async def test_an_allowed_name_may_have_a_private_address() -> None:
    rules = AddressRules(hosts=frozenset({"x.org"}), resolver=resolving("10.0.0.1").resolver)
    assert await rules.addresses("x.org", 443) == [ip_address("10.0.0.1")]


async def test_a_name_without_addresses_is_not_found() -> None:
    with pytest.raises(HostNotFound):
        await resolving().addresses("x.org", 443)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "0", "1.1.1.1.1", "256.1.1.1", "127.0.0.1.", "1.0x1"],
)  # fmt: skip
def test_unusual_notations_of_addresses_are_ambiguous(host: str) -> None:
    assert is_ambiguous(host)


@pytest.mark.parametrize("host", ["1.1.1.1", "x1.org", "1.org", "::1", "2606:4700::1111", "0xabc.org", "localhost"])
def test_names_and_usual_addresses_are_not_ambiguous(host: str) -> None:
    assert not is_ambiguous(host)


async def test_ambiguous_hosts_are_refused() -> None:
    with pytest.raises(AddressNotAllowed, match="usual notation"):
        await resolving("1.1.1.1").addresses("0x08080808", 443)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "ip6-localhost", "LOCALHOST"])
async def test_this_machine_is_refused_by_whatever_name(host: str) -> None:
    with pytest.raises((AddressNotAllowed, HostNotFound)):
        await AddressRules().addresses(host, 80)


@pytest.mark.parametrize("host", ["", "x" * 70 + ".org", "a\0b"])
async def test_names_that_cannot_exist_are_not_found(host: str) -> None:
    with pytest.raises(HostNotFound):
        await resolve(host or "no-such-host.invalid", 80)


@pytest.mark.parametrize("host", ["10.0.0.1", "[fd00::1]", "127.0.0.1"])
async def test_a_private_address_names_the_setting_that_allows_it(host: str) -> None:
    with pytest.raises(AddressNotAllowed, match=r"is a private .* `MCP_ALLOWED_ADDRESSES`"):
        await AddressRules().addresses(host, 80)
