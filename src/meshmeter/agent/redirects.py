"""Redirects of applications: followed where the next request goes to the same server, else told (design 8).

The same server is the same scheme, host and port as the entry's, as they are written: nothing is reached that the
entry does not name, and credentials go nowhere else. What a refused Location is told with names no secret: no user,
no password, no parameters.
"""

from __future__ import annotations

from urllib.parse import SplitResult, quote, urljoin, urlsplit

from meshmeter.quoting import quoted

STATUSES = frozenset({301, 302, 303, 307, 308})
"""Each means the same for a GET: ask there."""

MOST = 5
"""Redirects in a row that are followed."""

LONGEST = 4096
"""Bytes of a Location that is followed."""

TOLD = 120
"""Characters of where a redirect leads that are repeated."""

_PORTS = {"http": 80, "https": 443}
_KEPT = "!#$%&'()*+,/:;=?@[]~-._"


class NotFollowed(Exception):
    """A redirect that is not followed; says where it leads."""


def following(urls: list[str], location: str | None) -> str:
    """The URL that the last of `urls` redirects to, the first being the entry's and each the target of the one before.
    The query is what the Location says. Raises NotFollowed."""
    if not location:
        raise NotFollowed("a redirect that does not say where it leads")
    if len(location) > LONGEST:
        raise NotFollowed(f"a redirect to a Location of more than {LONGEST} characters")
    try:
        here = urlsplit(urls[0])
        there = _target(urls[-1], location)
        _server(there)
    except ValueError:
        raise NotFollowed("a redirect to a Location that is no URL") from None
    if there.scheme not in _PORTS or not there.hostname:
        raise NotFollowed(f"a redirect to {_told(there)}, which is no http or https URL")
    if there.username is not None:
        raise NotFollowed(f"a redirect to {_told(there)}, which names a user")
    if _server(there) != _server(here):
        raise NotFollowed(
            f"a redirect to {_told(there)}: only the entry's own scheme, address and port are followed"
        )
    url = there._replace(netloc=here.netloc, path=there.path or "/", fragment="").geturl()
    if url in urls:
        raise NotFollowed(f"a redirect in a circle, at {_told(there)}")
    if len(urls) > MOST:
        raise NotFollowed(f"more than {MOST} redirects, the last to {_told(there)}")
    return url


def _target(url: str, location: str) -> SplitResult:
    """Raises ValueError. Bytes that no URL has are encoded, as clients do; ones that steer are refused."""
    raw = location.encode("utf-8", "surrogateescape")
    if min(raw) < 0x20 or 0x7F in raw:
        raise ValueError("a control character")
    return urlsplit(urljoin(url, quote(raw, safe=_KEPT)))


def _server(url: SplitResult) -> tuple[str, str, int]:
    """Raises ValueError for a port that is none."""
    port = url.port if url.port is not None else _PORTS.get(url.scheme, 0)
    return url.scheme, (url.hostname or "").rstrip("."), port


def told(url: str) -> str:
    """The URL without its parameters, for people."""
    return _told(urlsplit(url))


def _told(url: SplitResult) -> str:
    host = url.netloc.rpartition("@")[2]
    place = f"{url.scheme}://{host}{url.path}" if host or url.path.startswith("/") else f"{url.scheme}:…"
    return quoted(place, TOLD) + ("?…" if url.query else "")
