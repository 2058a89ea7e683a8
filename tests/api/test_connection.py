"""A connection over a real socket, with an application of a few lines behind it."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httptools
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.connection import HELD_BYTES, LINGER_SECONDS, Connection, Limits, connection_class
from app.api.extensions import CUT, READ, TOGETHER
from app.metrics import Metrics

HEAD_SECONDS, STALL_SECONDS, CONNECTIONS = 0.4, 0.8, 8
GET = b"GET /%b HTTP/1.1\r\nHost: t\r\n\r\n"
Client = Callable[..., socket.socket]


class Behind:
    """The application: what it was asked for, and answers by path."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.left: list[str] = []
        self.come: list[bool] = []
        self.most_held_bytes = 0
        self.go_on = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].strip("/")
        self.begun.append(path)
        if path == "wait":
            await asyncio.to_thread(self.go_on.wait)
        if path == "read":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                self.left.append(path)
        size = 64 << 20 if path == "large" else 4 << 20 if path == "cut" else len(path)
        headers = [(b"content-length", b"%d" % size)]
        if path in ("close", "last"):
            headers.append((b"connection", b"close"))
        if path in ("both", "last"):
            scope["extensions"][TOGETHER]()
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await asyncio.sleep(0.3)
            await send({"type": "http.response.body", "body": path.encode()})
            return
        if path == "broken":
            scope["extensions"][TOGETHER]()
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            raise RuntimeError("before its body")
        if path == "come":
            self.come.append(scope["extensions"][READ]())
            await asyncio.sleep(0.3)
            self.come.append(scope["extensions"][READ]())
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "cut":
            await send({"type": "http.response.body", "body": bytes(size // 2), "more_body": True})
            scope["extensions"][CUT]()
            return
        await send({"type": "http.response.body", "body": path.encode() if size < 100 else bytes(size)})


def watched(kind: type[Connection], behind: Behind) -> type[Connection]:
    """A class of connections that tells how much input they hold."""

    class Watched(kind):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            behind.most_held_bytes = max(behind.most_held_bytes, len(self._input))

    return Watched


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def limits() -> Limits:
    return Limits(CONNECTIONS, HEAD_SECONDS, STALL_SECONDS, Metrics())


@pytest.fixture
def connect(behind: Behind, limits: Limits) -> Iterator[Client]:
    """Makes clients of a server that runs in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        behind,
        http=watched(connection_class(limits), behind),
        lifespan="off",
        ws="none",
        log_config=None,
        timeout_keep_alive=1,
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    clients: list[socket.socket] = []

    def client(*sent: bytes) -> socket.socket:
        made = socket.create_connection(listener.getsockname(), timeout=10)
        clients.append(made)
        for piece in sent:
            made.sendall(piece)
        return made

    yield client
    behind.go_on.set()
    for made in clients:
        made.close()
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    assert (limits.open, limits.refused) == (0, 0), "a place was lost"


def all_of(client: socket.socket) -> bytes:
    """All that comes until the other side ends; raises ConnectionResetError where it breaks."""
    received = b""
    while piece := client.recv(1 << 20):
        received += piece
    return received


def send_for_ever(client: socket.socket) -> None:
    """Send a little, again and again; raises ConnectionError when the other side has had enough."""
    while True:
        client.sendall(bytes(1_000))
        time.sleep(0.01)


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_uvicorn_has_the_names_that_the_connection_leans_on() -> None:
    config = uvicorn.Config(Behind(), lifespan="off")
    config.load()

    async def made() -> HttpToolsProtocol:
        return HttpToolsProtocol(config=config, server_state=ServerState(), app_state={})

    plain = asyncio.run(made())
    for name in (
        "cycle",
        "pipeline",
        "flow",
        "connections",
        "transport",
        "loop",
        "scope",
        "headers",
        "parser",
    ):
        assert name in vars(plain), name
    overridden = {name for name in vars(Connection) if callable(getattr(Connection, name)) and name[0] != "_"}
    ours = {"cut"}
    assert overridden - ours <= set(dir(HttpToolsProtocol))
    assert {"send_400_response", "on_response_complete", "shutdown"} <= overridden
    for name in ("more_body", "response_started", "response_complete"):
        assert name in RequestResponseCycle.__init__.__code__.co_names, name


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\n", b"\n\r\n"])
def test_the_parser_knows_one_end_of_a_head_only(end: bytes) -> None:
    """Input is parsed piece by piece at that end, so that few requests are begun at once."""

    class Heads:
        count = 0

        def on_headers_complete(self) -> None:
            self.count += 1

    heads = Heads()
    with pytest.raises(httptools.HttpParserError):
        httptools.HttpRequestParser(heads).feed_data((b"GET / HTTP/1.1" + end) * 2)
    assert heads.count == 0


def test_requests_sent_ahead_are_answered_in_turn(connect: Client, behind: Behind) -> None:
    names = [b"%d" % number for number in range(3000)]
    client = connect(GET % b"wait", *(GET % name for name in names[:-1]))
    client.sendall(GET.replace(b"Host", b"Connection: close\r\nHost") % names[-1])
    until(lambda: behind.begun)
    behind.go_on.set()
    bodies = [part.partition(b"\r\n\r\n")[2] for part in all_of(client).split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"wait", *names]


def test_a_client_that_leaves_takes_what_it_sent_ahead_with_it(connect: Client, behind: Behind) -> None:
    client = connect(GET % b"wait", (GET % b"next") * 1000)
    until(lambda: behind.begun)
    time.sleep(0.1)
    client.close()
    behind.go_on.set()
    connect(GET % b"other").recv(100)
    time.sleep(0.3)
    assert len([name for name in behind.begun if name == "next"]) <= 1


def test_what_is_sent_ahead_without_end_waits_in_the_kernel(connect: Client, behind: Behind) -> None:
    client = connect(GET % b"wait")

    def send() -> None:
        with contextlib.suppress(OSError):
            client.sendall((GET % b"next") * 1_000_000)

    sending = threading.Thread(target=send)
    sending.start()
    time.sleep(0.5)
    assert sending.is_alive()
    assert behind.begun == ["wait"]
    behind.go_on.set()
    until(lambda: len(behind.begun) > 1000)
    client.shutdown(socket.SHUT_RDWR)
    sending.join()
    assert behind.most_held_bytes < HELD_BYTES + (512 << 10)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", 400),
        (b"GET /wait HTTP/1.1\r\nX: " + b"a" * 200_000, 431),
        (b"GET /wait HTTP/1.1\r\n" + b"X: a\r\n" * 300 + b"\r\n", 431),
        (b"\r\n" * 200_000, 431),
        (b"GET /wa", 408),
        (b"\r\n", 408),
    ],
)
def test_a_refusal_waits_for_the_answer_that_is_under_way(
    connect: Client, behind: Behind, sent: bytes, status: int
) -> None:
    client = connect(GET % b"wait")
    until(lambda: behind.begun)
    with contextlib.suppress(TimeoutError):
        client.settimeout(0.5)
        client.sendall(sent)
    time.sleep(2 * HEAD_SECONDS)
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    behind.go_on.set()
    client.settimeout(10)
    first, _, second = all_of(client).partition(b"wait")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 %d " % status)
    assert behind.begun == ["wait"]


def test_a_refusal_within_a_body_does_not_wait(connect: Client, behind: Behind) -> None:
    client = connect(b"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Request-Id: mine\r\n\r\nZZ\r\n")
    received = all_of(client)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: mine\r\n" in received
    until(lambda: behind.left)


def test_an_answer_to_somebody_who_still_sends_is_not_torn(connect: Client) -> None:
    client = connect(b"POST /close HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(20):
        client.sendall(bytes(100_000))
        time.sleep(0.01)
    assert all_of(client).endswith(b"close")


def test_a_client_that_does_not_stop_sending_is_hung_up_on(connect: Client) -> None:
    client = connect(b"POST /close HTTP/1.1\r\nContent-Length: 100000000000\r\n\r\n")
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        send_for_ever(client)
    assert LINGER_SECONDS - 0.1 < time.monotonic() - began < LINGER_SECONDS + 2


def test_the_rest_of_a_body_that_nobody_wants_must_come_soon(connect: Client) -> None:
    client = connect(b"POST /early HTTP/1.1\r\nContent-Length: 100000000000\r\n\r\n")
    assert client.recv(1 << 16).endswith(b"early")
    with pytest.raises(ConnectionError):
        send_for_ever(client)


@pytest.mark.parametrize("path", [b"both", b"last"])
def test_what_is_sent_together_leaves_in_one_piece(connect: Client, path: bytes) -> None:
    client = connect(GET % path)
    assert client.recv(1 << 20).endswith(b"\r\n\r\n" + path)


def test_a_head_that_waits_for_its_body_leaves_at_the_end(connect: Client) -> None:
    assert all_of(connect(GET % b"broken")).startswith(b"HTTP/1.1 200")
    client = connect(b"HEAD /both HTTP/1.1\r\nHost: t\r\n\r\n")
    assert client.recv(1 << 20).endswith(b"\r\n\r\n")


def test_it_is_known_whether_all_of_a_body_has_come(connect: Client, behind: Behind) -> None:
    head = b"POST /come HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n"
    client = connect(head + b"ab")
    time.sleep(0.1)
    client.sendall(b"cd")
    assert client.recv(1 << 20)
    connect(head + b"abcd").recv(1 << 20)
    assert behind.come == [False, True, True, True]


def test_a_cut_resets_the_connection_at_once(connect: Client) -> None:
    client = connect(GET % b"cut")
    time.sleep(0.3)
    with pytest.raises(ConnectionResetError):
        all_of(client)


def test_an_answer_that_nobody_reads_is_dropped_and_a_slow_reader_is_served(
    connect: Client, limits: Limits
) -> None:
    client = connect(GET % b"large")
    until(lambda: limits.open == 1)
    until(lambda: limits.open == 0, STALL_SECONDS + 3)
    with pytest.raises(ConnectionResetError):
        all_of(client)
    slow, received, began = connect(GET % b"large"), 0, time.monotonic()
    while received < 64 << 20:
        piece = len(slow.recv(1 << 20))
        received += piece
        if time.monotonic() - began < 3 * STALL_SECONDS:
            time.sleep(0.05)
    assert time.monotonic() - began > 3 * STALL_SECONDS


def test_trailers_and_chunk_extensions_end_somewhere_and_are_no_headers(
    connect: Client, behind: Behind
) -> None:
    head = b"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for endless in (b"0\r\nX: ", b"0\r\n" + b"X: a\r\n" * 100_000, b"1;"):
        client = connect(head)
        with contextlib.suppress(ConnectionError):
            client.sendall(endless + b"a" * 600_000)
        assert all_of(client).startswith(b"HTTP/1.1 431 ")
    good = connect(head + b"1\r\nx\r\n0\r\nX-Trailer: a\r\n\r\n", GET % b"close")
    assert all_of(good).count(b"HTTP/1.1 200 ") == 2


def test_connections_over_the_limit_are_told_so_at_once(connect: Client, limits: Limits) -> None:
    limits.head_seconds = 30
    admitted = [connect() for _ in range(CONNECTIONS)]
    began = time.monotonic()
    received = all_of(connect(GET % b"x"))
    assert time.monotonic() - began < 0.3
    assert received.startswith(b"HTTP/1.1 503 ")
    for part in (
        b"retry-after: 1\r\n",
        b"connection: close\r\n",
        b"x-request-id: ",
        b'"too_many_connections"',
    ):
        assert part in received
    admitted[0].close()
    until(lambda: limits.open < CONNECTIONS)
    assert connect(GET % b"x").recv(1 << 16).endswith(b"x")


def test_a_flood_of_connections_holds_no_more_than_twice_the_limit(connect: Client, limits: Limits) -> None:
    limits.head_seconds = 30
    clients: list[socket.socket] = []
    answers = {"told": 0, "dropped": 0}
    for _ in range(5 * CONNECTIONS):
        try:
            clients.append(connect())
        except ConnectionResetError:  # it was dropped before the client had learned that it was connected
            answers["dropped"] += 1
    until(lambda: limits.open == CONNECTIONS)
    for client in clients[CONNECTIONS:]:
        try:
            answers["told"] += all_of(client).startswith(b"HTTP/1.1 503 ")
        except ConnectionResetError:
            answers["dropped"] += 1
    assert sum(answers.values()) == 4 * CONNECTIONS
    assert answers["told"] >= CONNECTIONS
    assert answers["dropped"] > 0
