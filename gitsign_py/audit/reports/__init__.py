"""Reports of an audit. Each format is a class with ``begin``, ``record`` and ``end`` that writes as records come."""
