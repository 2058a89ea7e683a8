"""The keys that are known now, found by what a request brings; replaced whole when the file changes."""

import hmac
from collections.abc import Callable, Iterable
from time import monotonic

from app.keys.allowance import Allowance
from app.keys.key import Key, digest_of

_MOST_BYTES = 256  # of a secret; ours have 47


class Holder:
    """Whoever has a key.

    Args:
        key: what is known of it.
        allowance: what it has left.
    """

    __slots__ = ("allowance", "digest", "name")

    def __init__(self, key: Key, allowance: Allowance) -> None:
        self.name = key.name
        self.digest = bytes.fromhex(key.sha256)
        self.allowance = allowance


class Ring:
    """Some keys.

    Args:
        keys: with names and hashes that differ.
        clock: seconds, of their allowances.
    """

    def __init__(self, keys: Iterable[Key], clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._by_name: dict[str, Holder] = {}
        self._by_digest: dict[bytes, Holder] = {}
        self.replace(keys)

    @property
    def names(self) -> list[str]:
        """Of all keys, in the order of the file."""
        return list(self._by_name)

    def replace(self, keys: Iterable[Key]) -> None:
        """Know these keys from now on; a name that stays keeps what it has left."""
        by_name: dict[str, Holder] = {}
        for key in keys:
            before = self._by_name.get(key.name)
            if before is None:
                by_name[key.name] = Holder(key, Allowance(key, self._clock))
            else:
                before.allowance.limit(key)
                by_name[key.name] = Holder(key, before.allowance)
        self._by_name = by_name
        self._by_digest = {holder.digest: holder for holder in by_name.values()}

    def find(self, secret: bytes) -> Holder | None:
        """Whoever has a secret; None for nobody.

        What is looked up is the hash, of which nobody can choose a beginning; found, it is compared in
        constant time.
        """
        if len(secret) > _MOST_BYTES:
            return None
        digest = digest_of(secret)
        holder = self._by_digest.get(digest)
        if holder is None or not hmac.compare_digest(holder.digest, digest):
            return None
        return holder

    def spend(self, name: str, kind: str, amount: float) -> None:
        """Take from the allowance of a key; nothing where there is none of that name."""
        holder = self._by_name.get(name)
        if holder is not None:
            holder.allowance.spend(kind, amount)
