"""The service holds to its own OpenAPI document, and to 4xx, whatever is generated."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, registry_of, serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "internal_errors_were_asked_for",
)
# A deadline of nanoseconds is a valid request, and its answer is 504; of 500 the last check knows more.
CONFIG = f"""
hooks = '{Path(__file__).with_name("documented_checks.py")}'

[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 500, 504]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("documented")
    registry = registry_of(folder, "four_sines", "two_waves")
    with serving(folder, registry, reload=False, max_body_bytes=1 << 20) as server:
        yield server


def generated(server: Server, folder: Path, examples: int, seed: int) -> None:
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    run = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", config, "run", f"{server.url}/openapi.json", "--no-color"),
            *("--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", str(seed)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]


@pytest.mark.timeout(180)
def test_generated_requests_find_nothing(server: Server, tmp_path: Path):
    generated(server, tmp_path, examples=5, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_many_generated_requests_find_nothing(server: Server, tmp_path: Path):
    for seed in range(3):
        generated(server, tmp_path, examples=100, seed=seed)


def test_a_tolerance_that_no_float_meets_is_answered_as_documented(server: Server):
    fields = {"function": "f", "x1": [0.1, -0.2, 0.3, 0.4], "verify": 16, "verify_tolerance": 1e-300}
    answer = httpx.post(f"{server.url}/jjt", json=fields, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (500, "verification_failed")
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert "`verification_failed`" in document["paths"]["/jjt"]["post"]["responses"]["500"]["description"]
