from collections.abc import Sequence
from typing import Final, TypeAlias

_Limits: TypeAlias = tuple[int | None, int | None, int | None, int | None]
_Source: TypeAlias = tuple[bytes, bool, bool, tuple[bytes, bytes] | None, _Limits]
_Stats: TypeAlias = tuple[int, list[tuple[str, int]], list[tuple[str, int, bytes]]]

CONTRACT: Final[int]

def heads(body: bytes) -> list[int]: ...
def merge(
    sources: Sequence[_Source],
    *,
    openmetrics: bool,
    escaping: str,
    merge_clusters: bool,
    total_bytes: int | None,
) -> tuple[list[bytes], list[_Stats]]: ...
