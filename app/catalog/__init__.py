"""registry/ → ``Function`` values by name, with their versions. Fails at start and not at request."""

from app.catalog.catalog import Catalog, Reloaded
from app.catalog.kept import Kept

__all__ = ["Catalog", "Kept", "Reloaded"]
