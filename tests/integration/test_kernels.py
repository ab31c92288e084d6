"""Both kernels on what a real Envoy says of many clusters."""

from __future__ import annotations

import re
from random import Random

import pytest

from meshmeter.exposition.formats import Format
from meshmeter.exposition.kernel import PYTHON
from meshmeter.exposition.merge import Limits, Options, Source
from support import require
from support.many_clusters import get, running_envoy
from support.odd_bodies import FILES, damaged

CLUSTERS = 402


@pytest.fixture(scope="module")
def envoy_body(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with running_envoy(tmp_path_factory.mktemp("envoy"), CLUSTERS) as admin_socket:
        return get(admin_socket, "/stats/prometheus?text_readouts=")


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [
        Options(Format.TEXT),
        Options(Format.TEXT, merge_clusters=False),
        Options(Format.OPENMETRICS_1),
        Options(Format.TEXT, total_bytes=1 << 20),
    ],
    ids=["text", "clusters kept", "OpenMetrics", "limited"],
)
@pytest.mark.parametrize("limit", [None, 20_000])
def test_the_same_answer(envoy_body: bytes, options: Options, limit: int | None) -> None:
    native = require.native_kernel()
    applications = [Source(path.name, path.read_bytes(), label="app") for path in FILES]
    sources = [Source("envoy", envoy_body, envoy=True, limits=Limits(limit)), *applications]
    result = PYTHON.merge(sources, options)
    assert result.sources[0].samples > 0
    assert native.merge(sources, options) == result


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [Options(Format.TEXT), Options(Format.TEXT, merge_clusters=False), Options(Format.OPENMETRICS_1)],
    ids=["text", "clusters kept", "OpenMetrics"],
)
def test_the_same_answer_from_damaged_families(envoy_body: bytes, options: Options) -> None:
    """Families of Envoy, cut to their first clusters so that the Python kernel is done soon, alone and damaged."""
    native, random = require.native_kernel(), Random(1)
    blocks = [
        block[:8000].rpartition(b"\n")[0] + b"\n" for block in re.split(rb"(?m)^(?=# TYPE)", envoy_body)[1:]
    ]
    assert len(blocks) > 200
    for block in blocks:
        for body in (block, damaged(random, block), damaged(random, block) + damaged(random, block)):
            sources = [Source("envoy", body, envoy=True)]
            assert native.merge(sources, options) == PYTHON.merge(sources, options)
