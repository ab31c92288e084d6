"""Values of single annotations on Kubernetes objects, read and refused as Kuma does (kuma-facts 4.1)."""

from __future__ import annotations

from meshmeter.quoting import quoted

_FLAGS = {"enabled": True, "true": True, "yes": True, "disabled": False, "false": False, "no": False}
_LARGEST = (1 << 32) - 1


class AnnotationError(ValueError):
    """A value that cannot be read. The text names the annotation and the value."""


def flag(key: str, value: str) -> bool:
    """A switch. Raises AnnotationError; only the six words in lower case are accepted."""
    try:
        return _FLAGS[value]
    except KeyError:
        raise AnnotationError(f'annotation "{key}" has wrong value "{quoted(value)}"') from None


def uint32(key: str, value: str) -> int:
    """A decimal number of 32 bits, without a sign. Raises AnnotationError."""
    if not (value.isascii() and value.isdigit()):
        raise AnnotationError(_number_fault(key, value, "invalid syntax"))
    digits = value.lstrip("0") or "0"
    if len(digits) > len(str(_LARGEST)) or int(digits) > _LARGEST:
        raise AnnotationError(_number_fault(key, value, "value out of range"))
    return int(digits)


def _number_fault(key: str, value: str, reason: str) -> str:
    return f'failed to parse annotation "{key}": strconv.ParseUint: parsing "{quoted(value)}": {reason}'
