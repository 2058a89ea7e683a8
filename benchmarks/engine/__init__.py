"""The engine's algorithms against what people write by hand."""
