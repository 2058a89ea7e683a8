"""The HTTP door: one resource is one router, routes hold no logic, ``create_app`` puts the house together."""

from app.api.application import create_app

__all__ = ["create_app"]
