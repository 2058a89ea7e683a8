"""J(x1) J(x2)ᵀ of registered JAX functions. These are the names that a registry file needs."""

from app.function import Function, function
from app.specs import ArraySpec

__all__ = ["ArraySpec", "Function", "function"]
