"""Requests per second of the service, against the endpoint that everyone would write."""
