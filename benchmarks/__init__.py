"""Measurements, split by stage. Ratios within one run, never absolute figures of one machine."""
