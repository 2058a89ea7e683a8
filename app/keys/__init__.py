"""Keys: who may ask, how they are kept in a file, and how much each may have.

Knows neither HTTP nor what is asked for.
"""

from app.keys.allowance import Allowance
from app.keys.file import add, read, remove
from app.keys.key import Key, digest_of, minted
from app.keys.ring import Holder, Ring

__all__ = ["Allowance", "Holder", "Key", "Ring", "add", "digest_of", "minted", "read", "remove"]
