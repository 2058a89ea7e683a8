"""Requests in a closed loop: so many at once, and the next when one is answered. Prints nothing.

Nothing is sent twice: what is refused, and what breaks, is counted.
"""

import asyncio
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter, process_time
from typing import Any

import httpx
import numpy as np

import jjt_client
from app import wire
from app.cli.figures import RIGHT, Sample, Step, step

JSON, NPY, NPZ = "application/json", "application/x-npy", "application/x-npz"
PLAIN = {"Accept-Encoding": "identity"}  # else httpx has answers compressed, and spends its time on them
DIFFERENT = "200, but another matrix"
SLACK = 1024  # eps of the largest entry: blocks of another shape, or another algorithm, round otherwise
WARM_ROUNDS = 2  # of all workers: requests that come together are compiled together
PAUSE_SECONDS = 0.1  # after a connection that failed, so that a dead service is not asked without a pause


@dataclass(frozen=True)
class Ask:
    """One request, ready to be sent many times.

    Args:
        format: of its body.
        query: its options.
        headers: its Content-Type and Accept.
        body: the whole of it.
    """

    format: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def asks(example: bytes, spec: Any, formats: Sequence[str], key: str | None = None) -> list[Ask]:
    """One question in several formats.

    Args:
        example: what ``GET /functions/{name}/example`` answered.
        spec: what the function's card says of x: a tree of ``{"dtype", "shape"}``.
        formats: the answer to ``json`` is JSON, to the others ``.npy``.
        key: where the service asks for one.
    """
    asked = json.loads(example)
    sides = [typed(asked[side], spec) for side in ("x1", "x2") if side in asked]
    request = jjt_client.build_request(asked["function"], *sides)
    binary, query = dict(request.headers), dict(request.options)
    ways = {
        "json": lambda: Ask("json", {}, {"Content-Type": JSON, "Accept": JSON}, example),
        "npz": lambda: Ask("npz", query, {"Content-Type": NPZ, "Accept": NPY}, _npz(request)),
        "safetensors": lambda: Ask("safetensors", query, binary, request.body),
    }
    keyed = jjt_client.key_headers(key)
    return [replace(ask, headers={**ask.headers, **keyed}) for ask in (ways[kind]() for kind in formats)]


def typed(tree: Any, spec: Any) -> Any:
    """Lists of numbers as arrays of the dtypes that a function declares; a list of trees as a tuple."""
    if isinstance(spec, dict) and isinstance(spec.get("dtype"), str):
        return np.asarray(tree, spec["dtype"])
    if isinstance(spec, dict):
        return {key: typed(tree[key], below) for key, below in spec.items()}
    return tuple(typed(each, below) for each, below in zip(tree, spec, strict=True))


def _npz(request: jjt_client.Request) -> bytes:
    file = io.BytesIO()
    arrays = wire.decode(request.headers["Content-Type"], request.body, len(request.body)).arrays
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def matrix_of(response: httpx.Response) -> np.ndarray:
    """The matrix of an answer in JSON or ``.npy``."""
    if response.headers["content-type"] == JSON:
        answer = response.json()
        return np.array(answer["matrix"], answer["dtype"])
    return jjt_client.read_response(response.status_code, response.headers, response.content)


class Check:
    """Whether answers are the first right one, to rounding."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None

    def __call__(self, response: httpx.Response) -> str:
        """``RIGHT``, or ``DIFFERENT``."""
        matrix = np.asarray(matrix_of(response))
        first = self._first = matrix if self._first is None else self._first
        if matrix.shape != first.shape:
            return DIFFERENT
        allowed = SLACK * float(np.finfo(first.dtype).eps) * float(np.abs(first).max(initial=0.0))
        return RIGHT if np.allclose(matrix, first, rtol=0.0, atol=allowed, equal_nan=True) else DIFFERENT


def unchecked(_: httpx.Response) -> str:
    """``RIGHT``, whatever the matrix is."""
    return RIGHT


async def ask_once(client: httpx.AsyncClient, ask: Ask, check: Callable[[httpx.Response], str]) -> str:
    """Send a request once.

    Returns:
        What came of it, in the words of ``Sample``.
    """
    try:
        response = await client.post("/jjt", params=ask.query, headers=ask.headers, content=ask.body)
    except httpx.HTTPError as error:
        return type(error).__name__
    if response.status_code == httpx.codes.OK:
        return check(response)
    try:
        jjt_client.read_response(response.status_code, response.headers, response.content)
    except jjt_client.JJTError as error:
        return f"{response.status_code} {error.code}".strip()
    return str(response.status_code)


async def measure(
    url: str,
    ask: Ask,
    concurrency: int,
    seconds: float,
    check: Callable[[httpx.Response], str],
    report: Callable[[Step], object],
) -> None:
    """Keep so many requests under way for some seconds, after a few that do not count.

    What is still under way after as long again is given up.

    Args:
        url: of the service.
        ask: the request.
        concurrency: requests at once.
        seconds: during which requests are sent.
        check: of a 200.
        report: is called once with what was measured, also where the step is cancelled.
    """
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    timeout = httpx.Timeout(2 * seconds, connect=10.0)
    samples: list[Sample] = []
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=timeout, headers=PLAIN) as client:
        for _ in range(WARM_ROUNDS):
            await asyncio.gather(*(ask_once(client, ask, unchecked) for _ in range(concurrency)))
        began, cpu_began = perf_counter(), process_time()

        async def worker() -> None:
            while (sent := perf_counter()) < began + seconds:
                outcome = await ask_once(client, ask, check)
                samples.append(Sample(perf_counter() - sent, outcome))
                if not outcome[0].isdigit():
                    await asyncio.sleep(PAUSE_SECONDS)

        workers = [asyncio.ensure_future(worker()) for _ in range(concurrency)]
        try:
            await asyncio.wait(workers, timeout=2 * seconds)
        finally:
            unfinished = sum(work.cancel() for work in workers)
            elapsed, cpu_seconds = perf_counter() - began, process_time() - cpu_began
            if samples or unfinished:
                report(step(ask.format, concurrency, elapsed, samples, unfinished, cpu_seconds))
        await asyncio.gather(*workers, return_exceptions=True)
        for work in workers:
            if not work.cancelled():
                work.result()
