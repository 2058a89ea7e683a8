"""One engine for the whole session, so that tests of one function share what was compiled for it."""

import pytest

from app.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine with the default budgets, calibrated."""
    made = Engine(memory_bytes=1 << 30, executables=4096)
    made.calibrate()
    return made
