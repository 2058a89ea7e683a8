"""registry/ → ``Function`` values by name, with their versions. Fails at start and not at request."""

from app.catalog.catalog import Catalog, Reloaded
from app.catalog.environment import environment
from app.catalog.kept import Kept
from app.catalog.programs import keep_programs

__all__ = ["Catalog", "Kept", "Reloaded", "environment", "keep_programs"]
