"""Private keys written into a Mesh are stored, but never shown: whoever may read a Mesh need not be an authority.

Where a key stands in `mtls.backends[].conf.key`, every answer has a text with its digest. A document with that text, as
`get` printed it and `apply` sends it back, means the key that is stored.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from meshmeter.errors import InvalidResource, Violation
from meshmeter.resources import codec, mesh
from meshmeter.resources.resource import AnyResource

_PREFIX = "(hidden, SHA-256 "

_FIELDS = ("inline", "inlineString")


def hide(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it may be shown; a copy where that is another."""
    if not any(True for _ in _keys(document)):
        return document
    shown = copy.deepcopy(document)
    for _, key, field in _keys(shown):
        key[field] = _text(key[field])
    return shown


def is_hidden(document: Mapping[str, Any]) -> bool:
    """Whether a key is to be taken from what is stored."""
    return any(key[field].startswith(_PREFIX) for _, key, field in _keys(document))


def restore(document: dict[str, Any], stored: AnyResource | None, *, where: str = "") -> dict[str, Any]:
    """The document with the stored keys in the places of their digests.

    Raises InvalidResource if a digest is of no stored key; `where` is a prefix of the field.
    """
    known = {}
    if stored is not None and stored.kind == mesh.KIND:
        for _, key, field in _keys(codec.to_universal(stored)):
            known[_text(key[field])] = key[field]
    whole = copy.deepcopy(document)
    for path, key, field in _keys(whole):
        if not key[field].startswith(_PREFIX):
            continue
        if key[field] not in known:
            reason = "stands for a key that is not stored: write the key itself, or name a file or a secret"
            raise InvalidResource([Violation(f"{where}{path}.{field}", reason)])
        key[field] = known[key[field]]
    return whole


def _keys(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Path and mapping of every key that is written out, and the field of the mapping that has it."""
    for prefix, holder in (("", document), ("spec.", document.get("spec"))):
        mtls = holder.get("mtls") if isinstance(holder, Mapping) else None
        backends = mtls.get("backends") if isinstance(mtls, Mapping) else None
        for index, backend in enumerate(backends if isinstance(backends, list) else ()):
            conf = backend.get("conf") if isinstance(backend, Mapping) else None
            key = conf.get("key") if isinstance(conf, Mapping) else None
            if not isinstance(key, dict):
                continue
            for field in _FIELDS:
                if isinstance(key.get(field), str):
                    yield f"{prefix}mtls.backends[{index}].conf.key", key, field


def _text(key: str) -> str:
    return f"{_PREFIX}{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:16]})"
