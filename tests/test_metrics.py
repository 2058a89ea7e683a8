"""Metrics: each app has its own, each has a help, and labels are bounded."""

from app.metrics import Metrics, bounded


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.blocks.inc(3)
    assert b"jjt_blocks_total 3.0" in one.text()
    assert b"jjt_blocks_total 0.0" in other.text()


def test_every_metric_has_a_help_and_begins_with_the_services_name() -> None:
    lines = Metrics().text().decode().splitlines()
    helps = {line.split()[2]: line.split(maxsplit=3)[3] for line in lines if line.startswith("# HELP")}
    types = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert set(helps) == types
    assert all(name.startswith("jjt_") and len(text) > 10 for name, text in helps.items())


def test_a_name_that_nobody_knows_is_one_label() -> None:
    assert bounded("sqrt_mean", {"sqrt_mean"}) == "sqrt_mean"
    assert {bounded(f"made_up_{number}", {"sqrt_mean"}) for number in range(1000)} == {"unknown"}
