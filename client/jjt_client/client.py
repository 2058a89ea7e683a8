"""``Client``: the pure functions of ``messages``, joined by a connection that waits. Knows no format."""

import time
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


class Client:
    """A jjt service. Close it, or use it in a ``with`` block; threads may share it.

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
        transport: httpx.BaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
        compress: Coding | None = None,
        api_key: str | None = None,
    ) -> None:
        require(compress)
        self._compress: Coding | None = compress
        self._retries = retries
        self._http = httpx.Client(
            base_url=bridge.checked_url(base_url),
            timeout=timeout,
            transport=transport,
            headers=bridge.headers_of(api_key, headers),
            limits=bridge.LIMITS,
        )

    def jjt(
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
        """The matrix K = J(x1) J(x2)ᵀ of a registered function.

        Args:
            function: ``name``, or ``name@version`` to pin it.
            x1: one example, or a batch with one more leading axis: what has ``__array__`` or
                ``__dlpack__``, a (nested) list of numbers, a number, or a dict or tuple of these.
            x2: the same for the other side; None means x2 = x1: half the work, an exactly symmetric answer.
            wrt: the variable, such as ``x``, ``params`` or ``params.head``; None for the function's own.
            algorithm: the name of one; None for the service's choice.
            precision: of products: ``highest``, ``high`` or ``default``; None for ``highest``.
            deadline_seconds: time that the service may take; None for its own limit.
            verify: random entries to compute a second time, another way; the matrix's ``verified`` says how
                far off they are.
            verify_tolerance: the error past which ``VerificationFailed`` is raised; goes with ``verify``.

        Returns:
            ``[n1, k, n2, k]``, without the n axis of a side that was given as one example.

        Raises:
            JJTError: by its class, what went wrong; ``errors`` has the tree.
        """
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
        return self._ask(request, lambda answer: messages.read_matrix(answer, wrt))

    def functions(self) -> list[FunctionLine]:
        """The functions that the service holds, sorted by name."""
        return self._ask(messages.FUNCTIONS, messages.read_functions)

    def function(self, name: str) -> FunctionCard:
        """All that is known of one function, by ``name`` or ``name@version``."""
        return self._ask(messages.build_function(name), messages.read_json)

    def plan(
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
        """What a matrix would cost, by each algorithm, without any array.

        Args:
            function: ``name`` or ``name@version``.
            n1: number of examples of x1.
            n2: number of examples of x2; None means x2 = x1.
            wrt: as for ``jjt``.
            algorithm: as for ``jjt``.
            precision: as for ``jjt``.
            memory_bytes: a budget to plan for; None for the service's own.

        Raises:
            JJTError: by its class, what went wrong.
        """
        request = messages.build_plan(
            function,
            n1,
            n2,
            wrt=wrt,
            algorithm=algorithm,
            precision=precision,
            memory_bytes=memory_bytes,
        )
        return self._ask(request, messages.read_json)

    def limits(self) -> Limits:
        """What the service allows and knows."""
        return self._ask(messages.LIMITS, messages.read_json)

    def ready(self) -> Ready:
        """Whether the service takes requests, and if not, what is missing; asks once."""
        return self._ask(messages.READY, messages.read_ready, retries=0)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.__exit__(kind, error, traceback)

    def _ask(self, request: Request, read: Callable[[Answer], T], retries: int | None = None) -> T:
        attempts = Attempts(self._retries if retries is None else retries, request.deadline_seconds)
        while True:
            try:
                return read(self._send(request))
            except JJTError as error:
                seconds = attempts.wait_seconds(error)
                if seconds is None:
                    raise
            time.sleep(seconds)

    def _send(self, request: Request) -> Answer:
        begun = False
        try:
            response = self._http.send(bridge.to_httpx(self._http, request), stream=True)
            begun = True
            try:
                response.read()
            finally:
                response.close()
        except httpx.RequestError as error:
            raise bridge.to_error(error, begun=begun) from None
        return bridge.to_answer(response)
