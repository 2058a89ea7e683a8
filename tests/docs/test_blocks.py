"""Every code block of README and docs does what the page says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Serve
from tests.docs.blocks import code_blocks, documents
from tests.docs.run import Reader, write_commands


def _curl_knows_json() -> bool:
    if shutil.which("curl") is None:
        return False
    printed = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"curl (\d+)\.(\d+)", printed)
    return version is not None and (int(version[1]), int(version[2])) >= (7, 82)


@pytest.fixture(scope="module")
def written_by_readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that registry files in the pages are saved to."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def url(serve: Serve, written_by_readers: Path) -> str:
    """A service that holds the registry of the repository, and what readers add.

    Its data are those of the checkout, so that report cards are made once and not in each run.
    """
    return serve(registry=f"{ROOT / 'registry'}:{written_by_readers}", data=str(ROOT / ".jjt"))


@pytest.mark.xdist_group("pages")
@pytest.mark.timeout(360)
@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs(
    page: Path, url: str, written_by_readers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = code_blocks(page)
    if any(block.language in ("sh", "console") for block in blocks) and not _curl_knows_json():
        pytest.skip("curl 7.82 or newer is not here")
    write_commands(tmp_path / "bin")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    variables = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "JJT_REGISTRY": f"{ROOT / 'registry'}:{written_by_readers}",
        "JJT_DATA": str(tmp_path / "data"),
    }
    reader = Reader(folder, written_by_readers, url, variables)
    for block in blocks:
        reader.run(block)
