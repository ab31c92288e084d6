"""Label sets are objects: equal ones are the same."""

from __future__ import annotations

from meshmeter.exposition.merge import Limits, Source
from meshmeter.exposition.names import Escaping
from meshmeter.exposition.series import LabelTable, SourceLabels, exceeds


def labels(source: Source, table: LabelTable | None = None) -> SourceLabels:
    return SourceLabels(source, table or LabelTable(), merge_clusters=True, escaping=Escaping.UNDERSCORES)


def test_order_and_empty_values_do_not_count() -> None:
    read = labels(Source("app", b"")).read_text
    assert read(b'a="1",b="2"') is read(b'b="2",a="1"') is read(b'a="1",b="2",c=""')
    assert read(b'a="1"') is not read(b'a="2"')
    empty = read(b"")
    assert empty is not None and empty.inner == b""


def test_an_empty_label_is_not_written_and_no_spelling_of_no_labels() -> None:
    table = LabelTable()
    read = labels(Source("app", b"", limits=Limits(labels=1)), table).read_text
    first = read(b'le=""')
    assert first is not None and first.inner == b""
    assert first is labels(Source("other", b""), table).read_text(b"")
    one = read(b'b="",a="1",c=""')
    assert one is not None and one.inner == b'a="1"'


def test_two_sources_share_a_table() -> None:
    table = LabelTable()
    one, two = labels(Source("one", b""), table), labels(Source("two", b""), table)
    assert one.read_text(b'a="1"') is two.read_text(b'a="1"')


def test_a_split_cluster_has_a_target() -> None:
    read = labels(Source("envoy", b"", envoy=True))
    part = read.read_text(b'envoy_cluster_name="web-0123456789abcdef"')
    whole = read.read_text(b'envoy_cluster_name="web"')
    assert part is not None and whole is not None
    assert read.any_split
    assert part is not whole and part.target is whole and whole.target is None


def test_what_is_refused() -> None:
    read = labels(Source("app", b"", limits=Limits(labels=1))).read
    assert read(((b"a", b"1"), (b"b", b"2"))) is None
    read = labels(Source("app", b"")).read
    assert read(((b"a.b", b"1"), (b"a-b", b"2"))) is None
    assert read(((b"__name__", b"1"),)) is None
    assert read(((b"__name_.", b"1"),)) is None
    assert not exceeds(((b"a" * 9999, b"1" * 99999),), Limits(None, None, None, None))
