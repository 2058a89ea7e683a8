"""One engine for all functions of the packages, with a small budget."""

import pytest

from app.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine, calibrated."""
    made = Engine(memory_bytes=1 << 30)
    made.calibrate()
    return made
