"""``AsyncClient``: the pure functions of ``messages``, joined by asyncio. Knows no format."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from jjt_client import bridge, messages
from jjt_client.attempts import Attempts
from jjt_client.compression import Coding, require
from jjt_client.errors import JJTError
from jjt_client.matrix import Matrix
from jjt_client.messages import Answer, Precision, Request
from jjt_client.replies import FunctionCard, FunctionLine, Limits, Plan, Ready

T = TypeVar("T")


class AsyncClient:
    """``Client`` for asyncio: the same methods, awaited; ``aclose`` it, or use it in an ``async with`` block.

    Args:
        base_url: of the service, such as ``http://localhost:8000``.
        timeout: seconds of patience, or an ``httpx.Timeout``; the default outlasts the service's deadline.
        retries: how often to send again what was refused for now, or never arrived.
        transport: of httpx, for certificates, proxies, tests.
        headers: sent with each request.
        compress: ``gzip``, or ``zstd`` with ``jjt-client[zstd]``, on slow networks: inputs and matrices.
        api_key: where the service asks for one; None for that in the variable ``JJT_KEY``, if it is set.

    Raises:
        ValueError: for a ``base_url``, ``compress`` or ``api_key`` that is none.
        ImportError: for zstd without ``zstandard``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: bridge.Timeout = bridge.TIMEOUT,
        retries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
        compress: Coding | None = None,
        api_key: str | None = None,
    ) -> None:
        require(compress)
        self._compress: Coding | None = compress
        self._retries = retries
        self._http = httpx.AsyncClient(
            base_url=bridge.checked_url(base_url),
            timeout=timeout,
            transport=transport,
            headers=bridge.headers_of(api_key, headers),
            limits=bridge.LIMITS,
        )

    async def jjt(
        self,
        function: str,
        x1: Any,
        x2: Any = None,
        *,
        wrt: str | None = None,
        algorithm: str | None = None,
        precision: Precision | None = None,
        deadline_seconds: float | None = None,
        verify: int | None = None,
        verify_tolerance: float | None = None,
    ) -> Matrix:
        """As ``Client.jjt``."""
        request = messages.build_request(
            function,
            x1,
            x2,
            wrt=wrt,
            algorithm=algorithm,
            precision=precision,
            deadline_seconds=deadline_seconds,
            verify=verify,
            verify_tolerance=verify_tolerance,
            compress=self._compress,
        )
        return await self._ask(request, lambda answer: messages.read_matrix(answer, wrt))

    async def functions(self) -> list[FunctionLine]:
        """The functions that the service holds, sorted by name."""
        return await self._ask(messages.FUNCTIONS, messages.read_functions)

    async def function(self, name: str) -> FunctionCard:
        """All that is known of one function, by ``name`` or ``name@version``."""
        return await self._ask(messages.build_function(name), messages.read_json)

    async def plan(
        self,
        function: str,
        n1: int,
        n2: int | None = None,
        *,
        wrt: str | None = None,
        algorithm: str | None = None,
        precision: Precision | None = None,
        memory_bytes: int | None = None,
    ) -> Plan:
        """As ``Client.plan``."""
        request = messages.build_plan(
            function,
            n1,
            n2,
            wrt=wrt,
            algorithm=algorithm,
            precision=precision,
            memory_bytes=memory_bytes,
        )
        return await self._ask(request, messages.read_json)

    async def limits(self) -> Limits:
        """What the service allows and knows."""
        return await self._ask(messages.LIMITS, messages.read_json)

    async def ready(self) -> Ready:
        """Whether the service takes requests, and if not, what is missing; asks once."""
        return await self._ask(messages.READY, messages.read_ready, retries=0)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    async def _ask(self, request: Request, read: Callable[[Answer], T], retries: int | None = None) -> T:
        attempts = Attempts(self._retries if retries is None else retries, request.deadline_seconds)
        while True:
            try:
                return read(await self._send(request))
            except JJTError as error:
                seconds = attempts.wait_seconds(error)
                if seconds is None:
                    raise
            await asyncio.sleep(seconds)

    async def _send(self, request: Request) -> Answer:
        begun = False
        try:
            response = await self._http.send(bridge.to_httpx(self._http, request), stream=True)
            begun = True
            try:
                await response.aread()
            finally:
                await response.aclose()
        except httpx.RequestError as error:
            raise bridge.to_error(error, begun=begun) from None
        return bridge.to_answer(response)
