"""What every request gets: an id, a line in the log, a count."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import structlog

from app.api.logs import configure, printable
from tests.api.test_jjt import BODY
from tests.conftest import ROOT

pytestmark = pytest.mark.anyio

GIVEN = ["a", "!~", "x" * 128, "b7ad6b7169203331", "{}%0d%0a"]
REPLACED = ["", "x" * 129, "a b", "é", "a\tb", "\x7f"]


@pytest.mark.parametrize("given", GIVEN)
async def test_an_id_of_printable_ascii_is_taken_over(client: httpx.AsyncClient, given: str) -> None:
    for answer in (
        await client.get("/livez", headers={"X-Request-Id": given}),
        await client.get("/nothing", headers={"X-Request-Id": given}),
        await client.post("/jjt", json=BODY, headers={"X-Request-Id": given}),
        await client.post("/jjt", headers={"X-Request-Id": given}),
    ):
        assert answer.headers.get_list("x-request-id") == [given]
        if answer.is_error:
            assert answer.json()["request_id"] == given


@pytest.mark.parametrize("given", REPLACED)
async def test_any_other_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/livez", headers={"X-Request-Id": given.encode()})  # pyright: ignore[reportArgumentType]
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"] != given


async def test_two_ids_are_none(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez", headers=[("X-Request-Id", "one"), ("X-Request-Id", "two")])
    assert answer.headers["x-request-id"] not in {"one", "two"}


async def test_each_request_without_an_id_gets_its_own(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/livez")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


class Lines:
    """The lines that were logged."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream.getvalue().decode().splitlines())

    def clear(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture):
    """The log as JSON lines, with the process's own configuration put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    lines = Lines()
    configure("json", lines.stream)
    root.handlers[:] = []  # the client of this test logs too
    yield lines
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_what_python_warns_of_is_a_line_like_others() -> None:
    code = (
        "import warnings; from app.api.logs import configure; configure('json'); warnings.warn('watch out')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    line = json.loads(done.stderr)
    assert line["level"] == "warning"
    assert "watch out" in line["event"]


async def test_a_request_leaves_one_line_without_its_payload(client: httpx.AsyncClient, log: Lines) -> None:
    answer = await client.post("/jjt", json=BODY)
    (line,) = [json.loads(line) for line in log]
    assert line["event"] == "request"
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["function"], line["status"], line["path"]) == ("two_waves", 200, "/jjt")
    assert line["ms"] > 0
    assert "matrix" not in str(line)


async def test_a_path_cannot_forge_a_line(client: httpx.AsyncClient, log: Lines) -> None:
    await client.get("/a%0D%0A2026-01-01%20[error]%20forged%1b[31m")
    (line,) = log
    assert "\\\\r\\\\n" in line
    assert not set("\r\n\x1b") & set(line)


async def test_the_log_has_the_traceback_that_the_answer_has_not(
    client: httpx.AsyncClient, log: Lines
) -> None:
    body = {"function": "treacherous", "x1": [1, 2e6], "algorithm": "contraction"}
    answer = await client.post("/jjt", json=body)
    assert answer.status_code == 500
    failed = next(line for line in map(json.loads, log) if line["event"] == "computation failed")
    assert "a secret of the host" in failed["exception"]
    assert failed["request_id"] == answer.headers["x-request-id"]


def test_what_does_not_print_is_written_as_its_escape() -> None:
    assert printable("plain ünïcode ×") == "plain ünïcode ×"
    assert printable("a\nb\x1b[0m\u2028\u202e\udc80") == "a\\nb\\x1b[0m\\u2028\\u202e\\udc80"


async def test_metrics_count_by_route_and_bound_their_labels(client: httpx.AsyncClient) -> None:
    for name in ("made_up_1", "made_up_2"):
        await client.post("/jjt", json={**BODY, "function": name})
        await client.get(f"/functions/{name}")
        await client.get(f"/{name}")
        await client.request(name.upper(), "/livez")
    await client.post("/jjt", json=BODY)
    text = (await client.get("/metrics")).text
    assert "made_up" not in text.lower()
    assert 'jjt_requests_total{method="POST",route="/jjt",status="200"}' in text
    assert 'jjt_requests_total{method="GET",route="/functions/{name}",status="404"}' in text
    assert 'route="unknown",status="404"' in text
    assert 'jjt_stage_seconds_count{function="two_waves",stage="compute"}' in text
    assert "jjt_ready 1.0" in text
    assert "jjt_functions 2.0" in text


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    assert all(family.documentation for family in families if not family.name.endswith("_created"))
