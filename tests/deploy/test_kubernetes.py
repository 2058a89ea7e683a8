"""Manifests fit Kubernetes' own schemas, and the service that they start."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from app.api import health, measures
from app.api.connection import LINGER_SECONDS
from app.settings import Settings
from tests.conftest import ROOT
from tests.deploy.manifests import (
    COMPONENTS,
    KUBERNETES,
    OVERLAYS,
    Resource,
    builder,
    built,
    files,
    only,
    resources,
)

VERSIONS = ("1.32", kubernetes_validate.latest_version())
FOREIGN = {"PodMonitor"}  # of the Prometheus Operator: no schema of Kubernetes
AFTER_DRAIN_SECONDS = 4  # docs/deploying.md: the end takes at most so much more than JJT_DRAIN_SECONDS
PATHS = {route.path for router in (health.router, measures.router) for route in router.routes}  # pyright: ignore[reportAttributeAccessIssue]
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}
CASES = [(overlay, ()) for overlay in OVERLAYS] + [
    ("cpu", (component,)) for component in COMPONENTS
] + [("gpu", tuple(each for each in COMPONENTS if each != "kept"))]  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "+".join((case[0], *case[1])))
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """All resources of an overlay with some components."""
    if builder() is None:
        pytest.skip("neither kustomize nor kubectl is here")
    overlay, components = request.param
    return built(overlay, tmp_path_factory.mktemp("built"), *components)


def pod(cluster: list[Resource]) -> dict[str, Any]:
    return only("Deployment", cluster)["spec"]["template"]["spec"]


def container(cluster: list[Resource]) -> dict[str, Any]:
    (found,) = pod(cluster)["containers"]
    return found


def settings(cluster: list[Resource]) -> dict[str, str]:
    return only("ConfigMap", cluster, "jjt-settings")["data"]


def nbytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def validate(resource: Resource) -> None:
    if resource["kind"] not in FOREIGN:
        for version in VERSIONS:
            kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(KUBERNETES)))
def test_a_file_of_resources_fits_the_schema(path: Path) -> None:
    for resource in resources(path.read_text(encoding="utf-8")):
        validate(resource)


def test_a_field_that_does_not_exist_is_found() -> None:
    (resource,) = resources((KUBERNETES / "base" / "deployment.yaml").read_text(encoding="utf-8"))
    resource["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenessProb"):
        validate(resource)


def test_what_is_built_fits_the_schema(cluster: list[Resource]) -> None:
    for resource in cluster:
        validate(resource)


def test_who_is_selected_is_there(cluster: list[Resource]) -> None:
    labels = only("Deployment", cluster)["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        only("Deployment", cluster)["spec"]["selector"]["matchLabels"],
        only("Service", cluster)["spec"]["selector"],
        only("PodDisruptionBudget", cluster)["spec"]["selector"]["matchLabels"],
        *(each["spec"]["selector"]["matchLabels"] for each in cluster if each["kind"] == "PodMonitor"),
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)
    (port,) = only("Service", cluster)["spec"]["ports"]
    assert port["targetPort"] in {each["name"] for each in container(cluster)["ports"]}


def test_probes_ask_routes_that_there_are(cluster: list[Resource]) -> None:
    here = container(cluster)
    probes = {kind: here[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    asked = only("Deployment", cluster)["spec"]["template"]["metadata"]["annotations"]
    assert {*(probe["path"] for probe in probes.values()), asked["prometheus.io/path"]} <= PATHS
    assert {probe["port"] for probe in probes.values()} == {"http"}
    (port,) = here["ports"]
    assert str(port["containerPort"]) == asked["prometheus.io/port"]


def test_a_pod_is_not_killed_before_its_service_has_ended(cluster: list[Resource]) -> None:
    awaited = container(cluster)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(settings(cluster)["JJT_DRAIN_SECONDS"])
    needed = awaited + drain + AFTER_DRAIN_SECONDS + LINGER_SECONDS
    assert needed <= pod(cluster)["terminationGracePeriodSeconds"] <= needed + 10


def test_every_setting_is_one_and_is_understood(
    cluster: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(cluster)
    assert {name.removeprefix("JJT_").lower() for name in given} <= set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    flags: dict[str, Any] = {}
    assert Settings(**flags).drain_seconds == 25


def test_no_variable_of_the_cluster_is_taken_for_a_setting(cluster: list[Resource]) -> None:
    # A Service that is called jjt would set JJT_PORT, to tcp://…
    assert pod(cluster)["enableServiceLinks"] is False


def test_a_pod_may_do_no_more_than_the_image_needs(cluster: list[Resource]) -> None:
    spec, here = pod(cluster), container(cluster)
    user = spec["securityContext"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in dockerfile
    assert user["runAsNonRoot"]
    assert here["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    writable = [mount["mountPath"] for mount in here["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/data"]
    assert "JJT_DATA=/data" in dockerfile
    assert {volume["name"] for volume in spec["volumes"]} == {mount["name"] for mount in here["volumeMounts"]}


def test_what_may_be_held_at_once_fits_into_the_memory_of_the_pod(cluster: list[Resource]) -> None:
    given, limits = settings(cluster), container(cluster)["resources"]["limits"]
    held = int(given["JJT_QUEUE_BYTES"]) + Settings.model_fields["max_answer_bytes"].default
    if "nvidia.com/gpu" not in limits:
        held += int(given["JJT_MEMORY_BYTES"])
    assert held <= 0.75 * nbytes(limits["memory"])


def test_a_disk_of_one_node_has_one_pod(cluster: list[Resource]) -> None:
    if any(each["kind"] == "PersistentVolumeClaim" for each in cluster):
        spec = only("Deployment", cluster)["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_functions_of_a_config_map_load_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    (tmp_path / "functions" / "..2026_01_01").mkdir(parents=True)
    (tmp_path / "functions" / "..data").symlink_to("..2026_01_01")
    for file in (KUBERNETES / "components" / "functions").glob("*.py"):
        (tmp_path / "functions" / "..2026_01_01" / file.name).write_text(file.read_text(encoding="utf-8"))
        (tmp_path / "functions" / file.name).symlink_to(f"..data/{file.name}")
    command = [sys.executable, "-m", "app", "functions", "--check", "--registry", str(tmp_path / "functions")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0].endswith("functions/softened_norm.py: softened_norm")
    assert done.stdout.count("loads") == 1
