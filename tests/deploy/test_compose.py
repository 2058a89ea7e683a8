"""``compose.yaml`` mounts what is there, listens on this machine alone, and Prometheus finds the service."""

import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_mounts_what_there_is_and_listens_on_this_machine_alone(name: str) -> None:
    service = SERVICES[name]
    for volume in service["volumes"]:
        outside, inside, *mode = volume.split(":")
        assert inside.startswith("/")
        if outside.startswith("."):
            assert (ROOT / outside).exists(), outside
            assert mode == ["ro"], f"{outside} can be written to from inside"
        else:
            assert outside in COMPOSE["volumes"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["cap_drop"] == ["ALL"]


def test_only_the_service_itself_runs_unless_more_is_asked_for() -> None:
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "jjt": None,
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }
    for name, service in SERVICES.items():
        assert name == "jjt" or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "the version is left open"


def test_prometheus_reads_its_file_and_asks_the_service_by_its_name_here() -> None:
    prometheus = SERVICES["prometheus"]
    (mounted,) = (volume for volume in prometheus["volumes"] if volume.startswith("."))
    outside, inside, _ = mounted.split(":")
    (given,) = re.findall(r"--config\.file=(\S+)'", str(prometheus["command"]))
    file = ROOT / outside / given.removeprefix(inside).lstrip("/")
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert all((file.parent / name).exists() for name in config["rule_files"])
    (job,) = config["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, port = target.split(":")
    assert any(port == published.split(":")[-1] for published in SERVICES[name]["ports"])
    assert job["job_name"] == "jjt"
