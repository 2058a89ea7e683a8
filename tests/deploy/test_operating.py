"""The page for operators lists every metric as it is, and every span."""

import re

from app.api.spans import stages
from app.settings import Settings
from app.specs import Times
from tests.conftest import ROOT
from tests.deploy.families import families
from tests.docs.blocks import table_rows

PAGE = ROOT / "docs" / "operating.md"


def test_page_lists_every_metric_with_its_type_its_labels_and_its_help() -> None:
    rows = table_rows(PAGE, "metric")
    assert [row[:4] for row in rows] == [
        [
            f"`{family.name}`",
            family.kind,
            ", ".join(f"`{label}`" for label in family.labels) or "–",
            family.help,
        ]
        for family in families()
    ]
    assert all(row[4] for row in rows)


def test_page_lists_every_span() -> None:
    stage = ("decode", "queue", "compile", "compute", "verify", "encode", "stream")
    every = Times()
    for name in stage:
        setattr(every, name, 1.0)
        setattr(every, f"{name}_ended", 9.0)
    listed = [row[0].strip("`") for row in table_rows(PAGE, "span")]
    assert listed == list(dict.fromkeys(each.name for each in stages(every)))


def test_page_names_settings_that_there_are() -> None:
    named = set(re.findall(r"JJT_([A-Z_]+)", PAGE.read_text(encoding="utf-8")))
    assert named <= {name.upper() for name in Settings.model_fields}
