"""The dashboard asks for metrics and labels that exist, and is whole."""

import re

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.dashboards import dashboard, panels, queries
from tests.deploy.families import families, mistakes, series

GRAFANA = ROOT / "deploy" / "grafana"


@pytest.mark.parametrize("title", panels())
def test_every_query_of_a_panel_asks_for_what_there_is(title: str) -> None:
    for query in queries(panels()[title]):
        assert "$" not in query
        assert not mistakes(query), query


@pytest.mark.parametrize("title", panels())
def test_every_legend_names_labels_that_the_query_leaves(title: str) -> None:
    for target in panels()[title]["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))) - {"le"}
        assert named == grouped


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("jjt_nothing_total", ["no metric jjt_nothing_total"]),
        ("sum by (color) (rate(jjt_requests_total[1m]))", ["color"]),
        ('jjt_queue_seconds{function="f"}', ["function"]),
        ("jjt_requests_total / on (color) jjt_ready", ["color", "color"]),
        ("jjt_stage_seconds", ["no metric jjt_stage_seconds"]),
        ("histogram_quantile(0.5, sum by (le) (rate(jjt_stage_seconds_bucket[1m])))", []),
        ('up{job="jjt"} == 0 or (-jjt_ready)', []),
    ],
)
def test_a_query_that_asks_for_what_there_is_not_is_found(query: str, expected: list[str]) -> None:
    found = mistakes(query)
    assert len(found) == len(expected)
    assert all(part in mistake for part, mistake in zip(expected, found, strict=True))


def test_every_metric_is_on_a_panel() -> None:
    asked = " ".join(query for panel in panels().values() for query in queries(panel))
    for family in families():
        assert re.search(rf"\b{family.name}(_bucket|_sum|_count)?\b", asked), f"nobody sees {family.name}"


def test_panels_have_places_of_their_own_and_say_what_they_show() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
    for panel in panels().values():
        assert panel["type"] in {"stat", "timeseries"}
        assert len(panel["description"]) > 10
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        for asker in (panel, *panel["targets"]):
            assert asker["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_variables_of_the_dashboard_are_those_that_its_queries_use() -> None:
    declared = {variable["name"] for variable in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", str(dashboard()["panels"])))
    assert used - {"__rate_interval"} == declared
    (instance,) = (each for each in dashboard()["templating"]["list"] if each["name"] == "instance")
    metric, label = re.findall(r"\w+", instance["query"]["query"])[1:]
    assert label in series()[metric]


def test_grafana_finds_the_dashboard_and_its_source_where_compose_puts_them() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    mounted = {
        inside: (ROOT / outside).resolve()
        for outside, inside, *_ in (volume.split(":") for volume in compose["services"]["grafana"]["volumes"])
        if outside.startswith(".")
    }
    provisioning = GRAFANA / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "jjt.yml").read_text())["providers"]
    assert mounted[provider["options"]["path"]] == GRAFANA / "dashboards"
    assert mounted["/etc/grafana/provisioning"] == provisioning
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
    assert set(compose["services"]) >= {"prometheus", "grafana"}
