from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from support.api_server import ServedApi, serve


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(tmp_path) as served:
        yield served


@pytest.fixture
async def client(api: ServedApi) -> AsyncIterator[ClientSession]:
    async with api.client() as session:
        yield session
