"""The panels of the dashboard, and their queries as Prometheus is asked them."""

import json
from typing import Any

from tests.conftest import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "jjt.json"


def dashboard() -> dict[str, Any]:
    """The dashboard as it is provisioned."""
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def panels() -> dict[str, dict[str, Any]]:
    """Every panel that shows something, by its title."""
    return {panel["title"]: panel for panel in dashboard()["panels"] if panel["type"] != "row"}


def queries(panel: dict[str, Any], interval: str = "1m") -> list[str]:
    """What a panel asks, with what Grafana puts in place of its variables."""
    asked = (target["expr"] for target in panel["targets"])
    return [text.replace("$__rate_interval", interval).replace("$instance", ".*") for text in asked]
