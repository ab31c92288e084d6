"""Private keys and credentials in a resource are stored, but never shown: whoever may read it need not have them.

Every answer has another text in their place: for a private key its digest; for anything else, which might be guessed
from a digest, `(hidden)`. A document with such a text, as `get` printed it and `apply` sends it back, means what is
stored: the key of that digest, or what stands at the same place (entries of lists are found by their `name`).

Hidden are `mtls.backends[].conf.key`, every text with a PEM private key in it (as such or in base64), values of
`params` and `headers` whose name or content looks like a credential, and URLs with a password or a token in them.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources import codec, paths
from meshmeter.resources.resource import AnyResource
from meshmeter.secrecy import HIDDEN, has_private_key, holds_credential, names_a_credential, redact

_PREFIX = "(hidden, SHA-256 "

_KEY_FIELDS = ("inline", "inlineString")

_NAMED_VALUES = ("params", "headers")
"""Mappings of names to values that are sent to somebody."""

Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """One text of a document, and where it stands."""

    holder: Any
    key: Any
    path: str
    """For people."""
    place: Place
    """The same in both forms of a resource."""

    @property
    def value(self) -> str:
        return self.holder[self.key]  # type: ignore[no-any-return]  # made from texts only

    @property
    def is_key(self) -> bool:
        written = len(self.place) == 6 and self.place[:2] == ("mtls", "backends")
        if written and self.place[3:5] == ("conf", "key") and self.place[5] in _KEY_FIELDS:
            return True
        return has_private_key(self.value)

    @property
    def is_credential(self) -> bool:
        sent = any(part in _NAMED_VALUES for part in self.place[:-1])
        return (sent and names_a_credential(str(self.key))) or holds_credential(self.value)

    @property
    def is_mask(self) -> bool:
        return self.value == HIDDEN or self.value.startswith(_PREFIX)

    def mask(self) -> str | None:
        """What is shown in its place; None if it may be shown."""
        if self.is_mask:
            return None
        if self.is_key:
            return _digest(self.value)
        return HIDDEN if self.is_credential else None


def hide(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it may be shown; a copy where that is another."""
    if not any(text.mask() is not None for text in _texts(document)):
        return document
    shown = copy.deepcopy(document)
    for text in _texts(shown):
        if (mask := text.mask()) is not None:
            text.holder[text.key] = mask
    return shown


def redacted(answer: dict[str, Any]) -> dict[str, Any]:
    """The same for what is no document and is never sent back: of a longer text only the secret part is hidden."""
    shown = copy.deepcopy(answer)
    for text in _texts(shown):
        mask = text.mask()
        if mask == HIDDEN and (rest := redact(text.value)) != text.value:
            mask = rest
        if mask is not None:
            text.holder[text.key] = mask
    return shown


def is_hidden(document: Mapping[str, Any]) -> bool:
    """Whether something is to be taken from what is stored."""
    return any(text.is_mask for text in _texts(document))


def restore(document: dict[str, Any], stored: AnyResource | None, *, where: str = "") -> dict[str, Any]:
    """The document with what is stored in the places of what was shown for it.

    Raises InvalidResource if nothing is stored there; `where` is a prefix of the field.
    """
    by_digest: dict[str, str] = {}
    by_place: dict[Place, str] = {}
    if stored is not None:
        for text in _texts(codec.to_kubernetes(stored)):
            if text.is_key:
                by_digest[_digest(text.value)] = text.value
            elif text.mask() is not None:
                by_place[text.place] = text.value
    whole = copy.deepcopy(document)
    for text in _texts(whole):
        if not text.is_mask:
            continue
        if text.value == HIDDEN:
            known = by_place.get(text.place)
            reason = "stands for a value that is not stored at this place: write the value itself"
        else:
            known = by_digest.get(text.value)
            reason = "stands for a key that is not stored: write the key itself, or name a file or a secret"
        if known is None:
            raise InvalidResource([Violation(f"{where}{text.path}", reason)])
        text.holder[text.key] = known
    return whole


def _texts(node: Any, path: str = "", place: Place = ()) -> Iterator[_Text]:
    if isinstance(node, dict):
        for name, value in node.items():
            inner = (*place, str(name)) if place or name not in ("spec", "metadata") else place
            at = paths.child(path, str(name)) if path else str(name)
            if isinstance(value, str):
                yield _Text(node, name, at, inner)
            else:
                yield from _texts(value, at, inner)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            named = value.get("name") if isinstance(value, dict) else None
            inner = (*place, f"name {named}" if isinstance(named, str) else str(index))
            if isinstance(value, str):
                yield _Text(node, index, f"{path}[{index}]", inner)
            else:
                yield from _texts(value, f"{path}[{index}]", inner)


def _digest(key: str) -> str:
    return f"{_PREFIX}{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:16]})"
