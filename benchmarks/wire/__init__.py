"""Decoding and encoding, per format and size, against the plain way."""
