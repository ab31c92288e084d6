"""Redirects: what is followed, and what is told of the others."""

from __future__ import annotations

import pytest

from meshmeter.agent.redirects import LONGEST, MOST, NotFollowed, following

HERE = "http://127.0.0.1:8080/metrics?a=1"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/metrics/", "http://127.0.0.1:8080/metrics/"),
        ("metrics/?b=2", "http://127.0.0.1:8080/metrics/?b=2"),
        ("?b=2", "http://127.0.0.1:8080/metrics?b=2"),
        ("./m/../n", "http://127.0.0.1:8080/n"),
        ("../../../n", "http://127.0.0.1:8080/n"),
        ("//127.0.0.1:8080/n", "http://127.0.0.1:8080/n"),
        ("HTTP://127.0.0.1:8080/n#part", "http://127.0.0.1:8080/n"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("/a%20b%zz", "http://127.0.0.1:8080/a%20b%zz"),
        ("/a b", "http://127.0.0.1:8080/a%20b"),
        ("/ü", "http://127.0.0.1:8080/%C3%BC"),
        ("/\udcff", "http://127.0.0.1:8080/%FF"),
    ],
)
def test_the_same_server_is_followed(location: str, url: str) -> None:
    assert following([HERE], location) == url


@pytest.mark.parametrize(
    ("here", "location"),
    [
        ("http://app.example/m", "http://APP.example:80/n"),
        ("https://app.example:443/m", "https://app.example/n"),
        ("http://[::1]:80/m", "http://[::1]/n"),
    ],
)
def test_a_default_port_and_the_case_of_a_host_make_no_other_server(here: str, location: str) -> None:
    assert following([here], location) == here.replace("/m", "/n")


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (None, "does not say"),
        ("", "does not say"),
        ("http://127.0.0.1:8081/metrics", "to http://127.0.0.1:8081/metrics: only"),
        ("https://127.0.0.1:8080/metrics", "to https://127.0.0.1:8080/metrics: only"),
        ("http://localhost:8080/m", "to http://localhost:8080/m: only"),
        ("http://2130706433:8080/m", "to http://2130706433:8080/m: only"),
        ("//169.254.169.254/latest", "to http://169.254.169.254/latest: only"),
        ("http://127.0.0.1:8080@evil.example/", "to http://evil.example/, which names a user"),
        ("http://user:secret@127.0.0.1:8080/m", "to http://127.0.0.1:8080/m, which names a user"),
        ("http://evil.example/m?token=secret#secret", r"to http://evil\.example/m\?…: only"),
        ("ftp://127.0.0.1:8080/m", "to ftp://127.0.0.1:8080/m, which"),
        ("file:///etc/passwd", "to file:///etc/passwd, which"),
        ("data:text/plain,secret", "to data:…, which"),
        ("javascript:secret", "to javascript:…, which"),
        ("http://[::1/m", "no URL"),
        ("http://127.0.0.1:99999/m", "no URL"),
        ("http://127.0.0.1:x/m", "no URL"),
        ("/m\x00", "no URL"),
        ("/m\r\nX: y", "no URL"),
        ("/" + "x" * LONGEST, "more than"),
        ("http://evil.example/" + "x" * 1000, "1020 characters"),
        ("/metrics?a=1", "in a circle, at http://127.0.0.1:8080/metrics"),
    ],
)
def test_others_are_told_without_their_secrets(location: str | None, told: str) -> None:
    with pytest.raises(NotFollowed, match=told) as caught:
        following([HERE], location)
    assert "secret" not in str(caught.value)


def test_a_circle_and_a_long_way_end() -> None:
    urls = [HERE]
    for number in range(MOST):
        urls.append(following(urls, f"/{number}"))
    with pytest.raises(NotFollowed, match="more than 5"):
        following(urls, "/more")
    with pytest.raises(NotFollowed, match="circle"):
        following(urls[:3], "/0#again")
