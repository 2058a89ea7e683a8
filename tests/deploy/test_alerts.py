"""Alerts ask for metrics and labels that exist, are explained, and go off when they should."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.conftest import ROOT
from tests.deploy.families import mistakes
from tests.docs.blocks import table_rows

PROMETHEUS = ROOT / "deploy" / "prometheus"
SEVERITIES = {"critical", "warning", "info"}


def rules() -> dict[str, dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


@pytest.mark.parametrize("name", rules())
def test_an_alert_asks_for_what_there_is_and_says_what_is_wrong(name: str) -> None:
    rule = rules()[name]
    assert not mistakes(rule["expr"])
    assert rule["labels"]["severity"] in SEVERITIES
    summary = rule["annotations"]["summary"]
    for variable in re.findall(r"JJT_\w+", summary):
        assert variable.removeprefix("JJT_").lower() in Settings.model_fields
    by = re.search(r"by \(([^)]*)\)", rule["expr"])
    if by is not None:
        assert set(re.findall(r"\$labels\.(\w+)", summary)) <= set(re.findall(r"\w+", by[1]))


def test_the_page_says_what_to_do_about_every_alert() -> None:
    rows = table_rows(ROOT / "docs" / "operating.md", "alert")
    assert [(name.strip("`"), severity) for name, severity, *_ in rows] == [
        (name, rule["labels"]["severity"]) for name, rule in rules().items()
    ]
    assert all(all(row) for row in rows)


def test_every_alert_is_set_off_by_a_made_up_fault() -> None:
    tests = (ROOT / "tests" / "deploy" / "alerts.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'alertname="(\w+)"', tests)) == set(rules())


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here; apt-get install prometheus"
)
@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", str(PROMETHEUS / "prometheus.yml")],
        ["check", "rules", str(PROMETHEUS / "alerts.yml")],
        ["test", "rules", str(ROOT / "tests" / "deploy" / "alerts.yml")],
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
