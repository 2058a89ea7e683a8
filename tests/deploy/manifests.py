"""The manifests for Kubernetes: as files, and as kustomize puts them together."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("cpu", "gpu")
COMPONENTS = ("functions", "keys", "kept", "monitor")
Resource = dict[str, Any]


def files() -> list[Path]:
    """Every file that holds whole resources."""
    found = sorted(KUBERNETES.rglob("*.yaml"))
    return [path for path in found if path.name != "kustomization.yaml"]


def resources(text: str) -> list[Resource]:
    """The resources in a stream of YAML."""
    return [each for each in yaml.safe_load_all(text) if each]


def builder() -> list[str] | None:
    """The command that builds a kustomization, where there is one."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    return ["kubectl", "kustomize"] if shutil.which("kubectl") else None


def built(overlay: str, folder: Path, *components: str) -> list[Resource]:
    """What an overlay comes to, with components.

    Args:
        overlay: its name.
        folder: an empty one, to build in.
        components: their names.
    """
    command = builder()
    assert command is not None
    shutil.copytree(KUBERNETES, folder / "kubernetes")
    own = folder / "kubernetes" / "overlays" / "own"
    own.mkdir()
    wanted = {
        "resources": [f"../{overlay}"],
        "components": [f"../../components/{each}" for each in components],
    }
    (own / "kustomization.yaml").write_text(yaml.safe_dump(wanted), encoding="utf-8")
    done = subprocess.run(
        [*command, str(own)], capture_output=True, text=True, check=False, timeout=60, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return resources(done.stdout)


def only(kind: str, among: list[Resource], name: str = "") -> Resource:
    """The one resource of a kind, and of a name that begins so."""
    (found,) = (each for each in among if each["kind"] == kind and each["metadata"]["name"].startswith(name))
    return found
