"""``jjt bench``: it measures a real service, counts what another refuses, and ends by itself."""

import asyncio
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import numpy as np
import pytest

from app.cli import load
from app.cli.figures import RIGHT, Step
from tests.conftest import ROOT
from tests.e2e.server import Server, free_port
from tests.test_cli import run
from tests.wire import bodies

FORMATS = ("json", "npz", "safetensors")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_a_sweep_measures_every_format_and_every_answer_is_the_same_matrix(
    seed: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    asked = [argument for kind in FORMATS for argument in ("--format", kind)]
    sizes = ["--n1", "3", "--n2", "2", "--concurrency", "1,3", "--seconds", "0.5"]
    code, printed, _ = run(capsys, "bench", seed.url, *asked, *sizes, "--check", "--out", str(out))
    assert code == 0, printed
    written = json.loads(out.read_text())
    assert written["function"] == "sqrt_mean"
    steps = written["steps"]
    assert [(step["format"], step["concurrency"]) for step in steps] == [
        (kind, at_once) for kind in FORMATS for at_once in (1, 3)
    ]
    for step in steps:
        assert set(step["outcomes"]) == {RIGHT}
        assert step["outcomes"][RIGHT] >= step["concurrency"]
        assert 0.5 <= step["seconds"] < 1.0 + step["latency"]["max_ms"] / 1e3
        # Each worker's requests follow one another: together they fill what they have, and no more.
        assert step["per_second"] * step["latency"]["p50_ms"] / 1e3 < 2 * step["concurrency"]
    assert printed.count("200: ") == len(steps)
    assert printed.count("█") > 40


@pytest.mark.parametrize(
    ("function", "asked"), [("two_waves", ["--concurrency", "2"]), ("sqrt_mean", ["--concurrency", "1,2,4"])]
)
def test_it_ends_when_all_seconds_are_over(
    seed: Server, capsys: pytest.CaptureFixture[str], function: str, asked: list[str]
) -> None:
    began = time.perf_counter()
    code, printed, said = run(
        capsys, "bench", seed.url, "--function", function, *asked, "--seconds", "60", "--total-seconds", "2"
    )
    assert time.perf_counter() - began < 10
    assert code == 0
    assert "stopped after 2 seconds" in said
    assert f"{function}@" in printed


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that puts the tests into the background has them ignore Ctrl-C, and all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_prints_what_was_measured(seed: Server) -> None:
    many = ",".join(["1"] * 60)
    command = [sys.executable, "-m", "app", "bench", seed.url, "--seconds", "1", "--concurrency", many]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("json, 1 at once")
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "200: " in printed
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--function", "nothing"], 2, "no function 'nothing'"),
        (["--n1", "2000000"], 2, "ask for fewer"),
        (["--concurrency", "0,1"], 2, "--concurrency"),
        (["--concurrency", "1,,2"], 2, "--concurrency"),
        (["--concurrency", "2000"], 2, "--concurrency"),
        (["--format", "xml"], 2, "--format"),
        (["--seconds", "61"], 2, "--seconds"),
        (["--out", "figures.png"], 2, "--out"),
        (["--out", "nowhere/figures.json"], 2, "--out"),
    ],
)
def test_wrong_use_is_one_line(
    seed: Server, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    ended, printed, error = run(capsys, "bench", seed.url, *arguments)
    assert (ended, printed, len(error.splitlines())) == (code, "", 1)
    assert said in error


@pytest.mark.parametrize(
    ("url", "code"),
    [("localhost", 2), (f"http://127.0.0.1:{free_port()}", 1)],
    ids=["no URL", "nobody there"],
)
def test_no_service_is_one_line(capsys: pytest.CaptureFixture[str], url: str, code: int) -> None:
    ended, printed, error = run(capsys, "bench", url)
    assert (ended, printed, len(error.splitlines())) == (code, "", 1)
    assert url in error


def test_without_the_client_it_says_where_that_is() -> None:
    script = (
        "import sys; sys.modules['jjt_client'] = None; from app.cli import main; main(['bench', 'http://x'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "pip install ./client" in done.stderr


class Moody(BaseHTTPRequestHandler):
    """A service that answers by turns: right, refused as full, refused as not ready, hung up on."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    turns: ClassVar[tuple[str, ...]] = ("right", "full", "right", "down", "hang up")
    seen: ClassVar[list[str]]
    matrices: ClassVar[list[np.ndarray]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        turn = self.turns[len(self.seen) % len(self.turns)]
        self.seen.append(turn)
        if turn == "hang up":
            self.close_connection = True
        elif turn == "right":
            matrix = self.matrices[len(self.seen) % len(self.matrices)]
            self._answer(200, "application/x-npy", bodies.npy(matrix))
        else:
            status, code = {"full": (429, "queue_full"), "down": (503, "")}[turn]
            problem = json.dumps({"code": code, "detail": turn, "status": status}).encode()
            self._answer(status, "application/problem+json", problem)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


@pytest.fixture
def moody() -> Iterator[tuple[str, type[Moody]]]:
    class Fresh(Moody):
        seen: ClassVar[list[str]] = []
        matrices: ClassVar = [np.eye(2, dtype=np.float32)]

    with ThreadingHTTPServer(("127.0.0.1", 0), Fresh) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Fresh
        server.shutdown()
        thread.join()


def measured(url: str, concurrency: int, check=load.unchecked) -> Step:
    (ask,) = load.asks(b'{"function": "f", "x1": [1, 2]}', {"dtype": "float32", "shape": [2]}, ["npz"])
    steps: list[Step] = []
    asyncio.run(load.measure(url, ask, concurrency, 0.5, check, steps.append))
    (step,) = steps
    return step


def test_what_is_refused_or_breaks_is_counted_and_not_sent_again(moody: tuple[str, type[Moody]]) -> None:
    url, service = moody
    outcomes = measured(url, 1).outcomes
    seen = service.seen[load.WARM_ROUNDS :]
    assert outcomes == {
        RIGHT: seen.count("right"),
        "429 queue_full": seen.count("full"),
        "503": seen.count("down"),
        "RemoteProtocolError": seen.count("hang up"),
    }
    assert min(outcomes.values()) > 2


def test_an_answer_that_is_another_matrix_is_found(moody: tuple[str, type[Moody]]) -> None:
    url, service = moody
    service.turns = ("right",)
    first = np.diag([1.0, 1e-3]).astype(np.float32)
    rounded = first * np.float32(1 + 1e-5)
    service.matrices = [first, rounded]
    assert set(measured(url, 2, load.Check()).outcomes) == {RIGHT}
    service.matrices = [first, first + np.float32(1e-3)]
    assert set(measured(url, 1, load.Check()).outcomes) == {RIGHT, load.DIFFERENT}
    service.matrices = [first, first[:1]]
    assert set(measured(url, 1, load.Check()).outcomes) == {RIGHT, load.DIFFERENT}


def test_all_formats_say_the_same_of_a_tree() -> None:
    example = json.dumps(
        {"function": "f", "x1": {"a": [0.1, 0.2], "b": [[3, 4], [5, 6]]}, "x2": {"a": 1, "b": [2, 7]}}
    )
    spec = {"a": {"dtype": "float32", "shape": []}, "b": [{"dtype": "int32", "shape": []}] * 2}
    plain, packed, tensors = load.asks(example.encode(), spec, FORMATS)
    assert json.loads(plain.body) == json.loads(example)
    assert (packed.query, tensors.query) == ({"function": "f"}, {"function": "f"})
    from app import wire

    arrays = dict(np.load(io.BytesIO(packed.body)))
    read = wire.decode(tensors.headers["Content-Type"], tensors.body, 1 << 20).arrays
    assert set(arrays) == set(read) == {"x1.a", "x1.b.0", "x1.b.1", "x2.a", "x2.b.0", "x2.b.1"}
    assert arrays["x1.b.1"].tolist() == [5, 6]
    for name, array in read.items():
        assert array.dtype == arrays[name].dtype == ("float32" if name.endswith("a") else "int32")
        assert (array == arrays[name]).all()
