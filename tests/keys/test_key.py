"""A key: random, long, known by its hash alone."""

import hashlib
import re

import pytest
from pydantic import ValidationError

from app.keys import Key, digest_of, minted

HASH = hashlib.sha256(b"a secret").hexdigest()


def test_a_secret_is_long_and_random_and_stands_nowhere_in_its_key() -> None:
    made = [minted("lab") for _ in range(50)]
    secrets = {secret for _, secret in made}
    assert len(secrets) == 50
    for key, secret in made:
        assert re.fullmatch(r"jjt_[\w-]{43}", secret)
        assert key.sha256 == hashlib.sha256(secret.encode()).hexdigest() == digest_of(secret.encode()).hex()
        assert secret not in key.model_dump_json() + repr(key)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-a", ".a", "ä", "a\n", "a/b", "x" * 65, "a,b", '"', "jjt\x00"]
)
def test_a_name_that_would_be_odd_in_a_log_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Key(name=name, sha256=HASH)


@pytest.mark.parametrize(
    "limits",
    [
        {"requests_per_second": 0},
        {"requests_per_second": -1},
        {"requests_per_second": float("nan")},
        {"requests_per_second": float("inf")},
        {"requests_per_second": 1, "requests_burst": 0.5},
        {"requests_burst": 5},
        {"bytes_burst": 5},
        {"device_seconds_per_minute": 0},
    ],
)
def test_a_limit_that_lets_nothing_through_or_is_none_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        minted("lab", **limits)
