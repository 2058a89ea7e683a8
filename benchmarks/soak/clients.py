"""Clients of all kinds: good, wrong, gone, slow, greedy, killed; and somebody who changes the registry.

Each turn of one adds to a ``Tally`` what came of it; what should not have come is a fault there.
"""

import asyncio
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx

from benchmarks.soak.questions import Question, Subject, draw

REFUSED = frozenset({429, 503})  # for now: a service that is full may say so
PATIENCE_SECONDS = 90.0
LARGE = 250  # examples on each side
PIECE_BYTES = 64 << 10
LEAVING_SECONDS = 0.3
BREAKS = "\nraise RuntimeError('this file is being edited')\n"
JSON = {"Content-Type": "application/json"}
# Path, headers, body, status.
WRONG: list[tuple[str, dict[str, str], bytes, int]] = [
    ("/jjt", JSON, b'{"function": "sqrt_mean", "x1": [1, 2', 400),
    ("/jjt", JSON, b'{"function": "sqrt_mean", "x1": [1, 2]}', 422),
    ("/jjt", JSON, b'{"function": "nobody", "x1": [1, 2]}', 404),
    ("/jjt", JSON, b'{"function": "two_waves@0", "x1": [1, 2, 3]}', 404),
    ("/jjt", JSON, b'{"function": "two_waves", "x1": [1, 2, 3], "wrt": "params"}', 422),
    ("/jjt", JSON, b'{"function": "two_waves", "x1": [1, 2, 3], "colour": "red"}', 400),
    ("/jjt", JSON, b'{"function": "two_waves", "x1": [1, 2, 3], "algorithm": "magic"}', 422),
    ("/jjt", JSON, b"[" * 100_000, 400),
    ("/jjt", JSON, b'{"x1": "' + b"a" * (5 << 20) + b'"}', 413),
    ("/jjt", JSON, b'{"function": "treacherous", "x1": [2e6, 2e6]}', 500),  # it raises, and is meant to
    ("/jjt", JSON, b'{"function": "sqrt_mean", "x1": 0, "deadline_seconds": 1e-9}', 422),
    ("/jjt?function=two_waves", {"Content-Type": "application/x-npz"}, b"PK\x03\x04" + bytes(400), 400),
    ("/jjt?function=two_waves", {"Content-Type": "application/x-npy"}, b"\x93NUMPY\x01\x00\xff\xff{", 400),
    ("/jjt?function=two_waves", {"Content-Type": "application/vnd.safetensors"}, b"\xff" * 64, 400),
    ("/jjt", {"Content-Type": "multipart/form-data; boundary=edge"}, b"--edge\r\n\r\n\r\n", 400),
    ("/jjt", {"Content-Type": "text/plain"}, b"hello", 415),
    ("/jjt", {**JSON, "Accept": "text/html"}, b"{}", 406),
    ("/plan", JSON, b'{"function": "two_waves", "n1": -1}', 400),
    ("/nothing", JSON, b"{}", 404),
]


@dataclass
class Tally:
    """How often what came of which client, and what should not have come."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, kind: str, outcome: str, fault: str = "") -> None:
        """Count one turn."""
        self.counts[kind, outcome] += 1
        if fault:
            self.faults.append(f"{kind}, {outcome}: {fault}")


async def good(http: httpx.AsyncClient, question: Question, tally: Tally, kind: str = "good") -> None:
    """Ask, and hold the answer against what is right."""
    path, headers, body = question.request()
    about = f"{question.subject.name} {question.first} {question.second} {question.asked} {question.answered}"
    try:
        answer = await http.post(path, headers=headers, content=body)
    except httpx.HTTPError as error:
        tally.add(kind, type(error).__name__, about)
        return
    if answer.status_code in REFUSED:
        tally.add(kind, str(answer.status_code))
    elif answer.status_code != httpx.codes.OK:
        tally.add(kind, str(answer.status_code), f"{about}: {answer.text[:300]}")
    else:
        wrong = question.wrong(answer.content)
        tally.add(kind, "wrong answer" if wrong else "200", f"{about}: {wrong}" if wrong else "")


async def bad(http: httpx.AsyncClient, source: Random, tally: Tally) -> None:
    """Send what should be refused."""
    path, headers, body, wanted = source.choice(WRONG)
    try:
        status = (await http.post(path, headers=headers, content=body)).status_code
    except httpx.HTTPError as error:
        tally.add("bad", type(error).__name__, f"{path} {body[:80]!r}")
        return
    unwanted = status != wanted and status not in REFUSED
    tally.add("bad", str(status), f"{wanted} was expected: {path} {body[:80]!r}" if unwanted else "")


@asynccontextmanager
async def _connected(
    port: int, question: Question, receive_bytes: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]]:
    """A connection of its own, and the request as bytes that were not sent yet."""
    path, headers, body = question.request()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    raw = socket.socket()
    raw.setblocking(False)
    if receive_bytes:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=receive_bytes or PIECE_BYTES)
    try:
        yield reader, writer, request
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def leaving(port: int, question: Question, source: Random, tally: Tally) -> None:
    """Ask, perhaps only half, and hang up within ``LEAVING_SECONDS``."""
    async with _connected(port, question) as (_, writer, request):
        share = source.choice((0.0, 0.5, 1.0, 1.0, 1.0))
        writer.write(request[: int(share * len(request))])
        await asyncio.sleep(source.uniform(0, LEAVING_SECONDS))
    tally.add("leaving", "left")


async def slow(port: int, question: Question, source: Random, tally: Tally) -> None:
    """Read a large answer in small pieces with pauses; some give up half way."""
    async with _connected(port, question, receive_bytes=PIECE_BYTES) as (reader, writer, request):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            refused = int(head[9:12]) in REFUSED
            tally.add("slow", head[9:12].decode(), "" if refused else head.decode())
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        stop = length // 2 if source.random() < 0.3 else length
        content = b""
        while len(content) < stop:
            piece = await reader.read(PIECE_BYTES)
            if not piece:
                tally.add("slow", "cut", f"{len(content)} of {length} bytes")
                return
            content += piece
            await asyncio.sleep(0.01)
    if stop < length:
        tally.add("slow", "left")
        return
    wrong = question.wrong(content)
    tally.add("slow", "wrong answer" if wrong else "200", wrong)


async def killing(port: int, body: Path, source: Random, tally: Tally) -> None:
    """Start a process that floods the service, and kill it a moment later."""
    command = [sys.executable, str(Path(__file__).with_name("doomed.py")), str(port), str(body)]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    try:
        await asyncio.sleep(source.uniform(0.5, 2))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        code = await process.wait()
    tally.add("killed", "killed" if code == -signal.SIGKILL else f"ended with {code} by itself")


async def reloading(http: httpx.AsyncClient, file: Path, text: str, turn: int, tally: Tally) -> None:
    """Give a registry file a new version; every third time break it first, and see that this is said."""
    if turn % 3 == 2:
        await asyncio.to_thread(file.write_text, text + BREAKS)
        await _failed(http, "broken", 1, tally)
    await asyncio.to_thread(file.write_text, f"{text}\n# revision {turn}\n")
    await _failed(http, "changed", 0, tally)


async def _failed(http: httpx.AsyncClient, outcome: str, number: int, tally: Tally) -> None:
    """Wait until so many files of the registry are said to have failed."""
    for _ in range(int(PATIENCE_SECONDS / 0.2)):
        await asyncio.sleep(0.2)
        answer = await http.get("/readyz")
        if answer.status_code == httpx.codes.OK and len(answer.json()["failed"]) == number:
            tally.add("reload", outcome)
            return
    tally.add("reload", outcome, f"not seen after {PATIENCE_SECONDS:.0f} seconds")


async def one_turn(
    http: httpx.AsyncClient, port: int, subjects: list[Subject], source: Random, tally: Tally
) -> None:
    """One turn of a client of a random kind; a turn that does not end is a fault."""
    kind = source.choices(("good", "bad", "leaving", "large", "slow"), (70, 12, 14, 2, 2))[0]
    small = [each for each in subjects if each.inputs[0].size < 10]
    match kind:
        case "good":
            turn = good(http, draw(subjects, source), tally)
        case "bad":
            turn = bad(http, source, tally)
        case "leaving":
            turn = leaving(port, draw(subjects, source), source, tally)
        case "large":
            turn = good(http, draw(small, source, source.randint(LARGE // 2, LARGE)), tally, "large")
        case _:
            turn = slow(port, draw(small, source, LARGE), source, tally)
    try:
        await asyncio.wait_for(turn, PATIENCE_SECONDS)
    except TimeoutError:
        tally.add(kind, "hung", f"nothing for {PATIENCE_SECONDS:.0f} seconds")
    except OSError as error:
        tally.add(kind, type(error).__name__, str(error))
    except asyncio.IncompleteReadError as error:
        tally.add(kind, "cut", str(error))
