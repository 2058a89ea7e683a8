"""A real Prometheus asks a real service that `jjt bench` keeps busy: every panel shows data."""

import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.dashboards import panels, queries
from tests.e2e.server import Server, free_port, registry_of, serving

PROMETHEUS = ROOT / "deploy" / "prometheus"
pytestmark = [
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="needs prometheus; apt-get install prometheus"
    ),
    pytest.mark.xdist_group("prometheus"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("busy")
    registry = registry_of(folder, "two_waves")
    shutil.copy(ROOT / "registry" / "sqrt_mean.py", registry)
    with serving(folder, registry, reload=False) as server:
        yield server


@pytest.fixture(scope="module")
def ask(service: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, dict], Any]]:
    """Asks a route of a Prometheus that watches the service, once the service was busy for a while."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{service.port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]

    def asked(path: str, parameters: dict) -> Any:
        answer = httpx.get(f"{url}/api/v1/{path}", params=parameters, timeout=20).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            _await(lambda: asked("query", {"query": "up"})["result"][0]["value"][1] == "1", folder / "log")
            bench = [service.url, "--function", "sqrt_mean", "--seconds", "3", "--concurrency", "1,8"]
            done = subprocess.run(
                [sys.executable, "-m", "app", "bench", *bench, "--format", "json", "--format", "npz"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            time.sleep(2.5)  # until it was asked again
            yield asked
        finally:
            process.terminate()


def _await(holds: Callable[[], bool], log: Path) -> None:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            if holds():
                return
        except (httpx.TransportError, IndexError, ValueError):
            pass
        time.sleep(0.2)
    raise TimeoutError(log.read_text(encoding="utf-8"))


@pytest.mark.parametrize("title", panels())
def test_every_query_of_the_panel_gives_numbers(title: str, ask: Callable[[str, dict], Any]) -> None:
    for query in queries(panels()[title], interval="2m"):
        result = ask("query", {"query": query})["result"]
        values = [float(each["value"][1]) for each in result]
        assert [value for value in values if not math.isnan(value)], f"{query}: no data"


def test_panels_show_what_was_asked(ask: Callable[[str, dict], Any]) -> None:
    (requests,) = queries(panels()["Requests by status"], interval="2m")
    rates = {
        each["metric"]["status"]: float(each["value"][1])
        for each in ask("query", {"query": requests})["result"]
    }
    assert rates["200"] > 0
    assert set(rates) == {"200"}
    p50, _, p99 = (
        float(ask("query", {"query": query})["result"][0]["value"][1])
        for query in queries(panels()["Latency of POST /jjt"], interval="2m")
    )
    assert 0 < p50 <= p99 < 60


def test_every_alert_is_evaluated_and_none_goes_off(ask: Callable[[str, dict], Any]) -> None:
    (group,) = ask("rules", {})["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}, group
    assert not [rule["name"] for rule in group["rules"] if rule["state"] == "firing"]
