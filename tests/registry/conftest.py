"""One engine for all tests of the registry, so that they share what was compiled."""

import pytest

from app.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine with a small budget, calibrated."""
    made = Engine(memory_bytes=1 << 30)
    made.calibrate()
    return made
