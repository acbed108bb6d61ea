"""Walk a history, judge every commit, report: ``audit_history`` in ``engine.py`` yields verdicts as they come."""
