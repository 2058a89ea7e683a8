"""What is compressed is the same request and the same matrix; what cannot be is said before it is sent."""

import asyncio
import importlib.util
import io
import zlib

import numpy as np
import pytest
import zstandard

from jjt_client import AsyncClient, Client, build_request
from jjt_client.compression import Coding

X1 = np.random.default_rng(0).integers(1, 100, (40, 3)).astype(np.float32)
both = pytest.mark.parametrize("coding", ["gzip", "zstd"])


def plain(coding: Coding, body: bytes) -> bytes:
    if coding == "gzip":
        return zlib.decompress(body, wbits=31)
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).read()


@both
def test_a_compressed_request_is_the_plain_one_and_says_so(coding: Coding) -> None:
    request, packed = (build_request("f", X1, compress=each) for each in (None, coding))
    assert plain(coding, packed.body) == request.body
    assert len(packed.body) < len(request.body)
    assert packed.options == request.options
    assert packed.headers == {
        **request.headers,
        "Content-Encoding": coding,
        "Accept-Encoding": f"{coding}, identity;q=0.5",
    }


@both
@pytest.mark.parametrize("examples", [5, 40])
def test_the_matrix_is_the_same_whole_or_streamed(service: str, coding: Coding, examples: int) -> None:
    async def ask() -> np.ndarray:
        async with AsyncClient(service, compress=coding) as client:
            return await client.jjt("squares", X1[:examples])

    with Client(service) as client, Client(service, compress=coding) as packed:
        expected = client.jjt("squares", X1[:examples])
        for matrix in (packed.jjt("squares", X1[:examples]), asyncio.run(ask())):
            assert np.array_equal(matrix, expected)
            assert matrix.dtype == expected.dtype
        assert packed.functions() == client.functions()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_cannot_be_used_is_refused_at_once(
    kind: type[Client | AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="'gzip', 'zstd' or None"):
        kind("http://localhost", compress="br")  # pyright: ignore[reportArgumentType] - that is the point
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install 'jjt-client\[zstd\]'"):
        kind("http://localhost", compress="zstd")
