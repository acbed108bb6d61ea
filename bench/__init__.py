"""Benchmarks for people: ``python -m bench`` from the project's root."""
