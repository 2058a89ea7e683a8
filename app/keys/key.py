"""A key: its name, the hash of its secret, and its limits. The secret itself is nowhere but with its holder.

The hash is SHA-256, which is fast, and fit here because the secrets are random: 256 bits that nobody can try
out. Slow hashes are for what people think up.
"""

import hashlib
import secrets
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PREFIX = "jjt_"  # by which scanners, and people, recognise one that leaked
_RANDOM_BYTES = 32
_BURST_SECONDS = 10.0  # of its rate: what a key may have at once, where it says nothing

Rate = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]


class Key(BaseModel):
    """One key, as it stands in a line of the file.

    A rate that is not given does not limit; a burst that is not given is ten seconds of its rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="what logs and metrics say")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of the secret")
    requests_per_second: Rate | None = None
    requests_burst: Annotated[Rate, Field(ge=1)] | None = None
    bytes_per_second: Rate | None = None
    bytes_burst: Annotated[Rate, Field(ge=1)] | None = None
    device_seconds_per_minute: Rate | None = None

    @model_validator(mode="after")
    def _bursts_have_rates(self) -> Self:
        for kind in ("requests", "bytes"):
            if getattr(self, f"{kind}_burst") is not None and getattr(self, f"{kind}_per_second") is None:
                raise ValueError(f"{kind}_burst goes with {kind}_per_second")
        return self

    def burst(self, kind: str) -> float:
        """How many ``requests`` or ``bytes`` may come at once, where their rate is limited; at least 1."""
        rate, burst = getattr(self, f"{kind}_per_second"), getattr(self, f"{kind}_burst")
        return burst or max(1.0, _BURST_SECONDS * rate)


def minted(name: str, **limits: float | None) -> tuple[Key, str]:
    """A new key, and its secret, which is told this once.

    Args:
        name: of the key.
        limits: fields of ``Key``.

    Raises:
        ValidationError: for a name or a limit that cannot be.
    """
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return Key(name=name, sha256=digest_of(secret.encode()).hex(), **limits), secret


def digest_of(secret: bytes) -> bytes:
    """What a secret is known by."""
    return hashlib.sha256(secret).digest()
