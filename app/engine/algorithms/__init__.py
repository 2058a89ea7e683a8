"""One algorithm = one file. ``ALGORITHMS`` is the only list of them."""

from app.engine.algorithms.algorithm import Algorithm, Keepsake
from app.engine.algorithms.contraction import Contraction
from app.engine.algorithms.forward import Forward
from app.engine.algorithms.structured import Structured
from app.engine.algorithms.vector_products import VectorProducts

ALGORITHMS: tuple[Algorithm, ...] = (Contraction(), Forward(), VectorProducts(), Structured())

__all__ = ["ALGORITHMS", "Algorithm", "Keepsake"]
