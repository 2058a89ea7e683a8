"""The ring: who has a secret is found by it, and a change of the file changes nobody else."""

import secrets

import pytest

from app.keys import Ring, minted

LAB, SECRET = minted("lab", requests_per_second=1, requests_burst=1)
ROOM, OTHER = minted("room")


WRONG = {
    "empty": b"",
    "one letter": b"x",
    "one less": SECRET[:-1].encode(),
    "one more": SECRET.encode() + b"x",
    "in capitals": SECRET.upper().encode(),
    "the hash": LAB.sha256.encode(),
    "the hash as bytes": bytes.fromhex(LAB.sha256),
    "not ASCII": "jjt_ключ".encode(),
    "not text": b"\xff" * 47,
    "a million letters": b"x" * 1_000_000,
}


@pytest.mark.parametrize("secret", WRONG.values(), ids=WRONG)
def test_nobody_has_another_secret(secret: bytes) -> None:
    assert Ring([LAB, ROOM]).find(secret) is None
    assert Ring([]).find(secret) is None


def test_each_is_found_by_its_own_secret() -> None:
    ring = Ring([LAB, ROOM])
    for name, secret in (("lab", SECRET), ("room", OTHER)):
        holder = ring.find(secret.encode())
        assert holder is not None
        assert holder.name == name


def test_a_name_that_stays_keeps_what_it_has_left_also_with_another_secret() -> None:
    ring = Ring([LAB])
    holder = ring.find(SECRET.encode())
    assert holder is not None
    assert holder.allowance.enter()[0] == ""
    rotated, secret = minted("lab", requests_per_second=1, requests_burst=1)
    ring.replace([ROOM, rotated])
    assert ring.names == ["room", "lab"]
    assert ring.find(SECRET.encode()) is None
    holder = ring.find(secret.encode())
    assert holder is not None
    assert holder.allowance.enter()[0] == "requests"


def test_of_a_thousand_keys_each_finds_its_own() -> None:
    made = [minted(f"k{number}") for number in range(1000)]
    ring = Ring([key for key, _ in made])
    for key, secret in secrets.SystemRandom().sample(made, 50):
        holder = ring.find(secret.encode())
        assert holder is not None
        assert holder.name == key.name
