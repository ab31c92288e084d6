from __future__ import annotations

import pytest

from meshmeter.documents.encoding import decode
from meshmeter.errors import InvalidResource


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_and_marked_utf_16(codec: str) -> None:
    assert decode("a: é\n".encode(codec), origin="f") == "a: é\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a\nb: \xff", "f:2: is not text in UTF-8"),
        ("a".encode("utf-32"), "f: is text in UTF-32, which is not read: save it as UTF-8"),
        ("a: 1".encode("utf-16-be"), "without a byte order mark: save it as UTF-8"),
        (b"\xfe\xff\0a\0", "f:1: is not text in UTF-16"),
    ],
)
def test_what_is_no_text(content: bytes, fault: str) -> None:
    with pytest.raises(InvalidResource) as refused:
        decode(content, origin="f")
    assert fault in str(refused.value.violations[0])
