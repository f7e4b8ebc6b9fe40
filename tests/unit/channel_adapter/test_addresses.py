"""Where a webhook must not go."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_channel_adapter.channels.checks import url_problem
from yunsong_channel_adapter.domain.addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
    ],
)
def test_inner_addresses_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_addresses_are_admitted(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_hides_in_no_notation(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for outer in (
        f"::ffff:{address}",
        str(ipaddress.IPv6Address(0x64FF9B << 96 | number)),
        str(ipaddress.IPv6Address(0x2002 << 112 | number << 80)),
    ):
        assert is_public(outer) == is_public(str(address)), outer


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "shop.example/hook",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "https://user:pass@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:99999/",
        "https://[::1/",
        "https://shop.example/a b",
        "https://shop.example/\r\nx: y",
        "https://例子.example/",
        "https://shop.example/" + "a" * 2000,
    ],
)
def test_what_is_no_address_is_said_to_be_none(url: object) -> None:
    assert url_problem(url)


@pytest.mark.parametrize(
    "url", ["https://shop.example/hook?x=1", "http://shop.example:8080", "https://[2606:4700::1111]/"]
)
def test_an_address_is_taken(url: str) -> None:
    assert url_problem(url) == ""
