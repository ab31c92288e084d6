from collections.abc import Sequence
from typing import Final, TypeAlias

_Limits: TypeAlias = tuple[int | None, int | None, int | None, int | None]
_Source: TypeAlias = tuple[bytes, bool, bool, tuple[bytes, bytes] | None, _Limits]
_Stats: TypeAlias = tuple[int, list[tuple[str, int]], list[tuple[str, int, bytes, bytes]]]

CONTRACT: Final[int]

class Merging:
    def __new__(
        cls,
        limits: _Limits,
        *,
        openmetrics: bool,
        escaping: str,
        merge_clusters: bool,
        total_bytes: int | None,
        seconds: float | None,
    ) -> Merging: ...
    def feed(self, piece: bytes) -> list[bytes]: ...
    def finish(self, sources: Sequence[_Source], whole: bool) -> tuple[list[bytes], list[_Stats]]: ...
