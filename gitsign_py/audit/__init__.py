"""Walk a history, judge every commit, report: ``audit_history`` yields verdicts as they come.

What programs need that embed this is to be had here by name, and loaded when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitsign_py.audit.engine import Resources, audit_history
    from gitsign_py.audit.jobs import Settings
    from gitsign_py.audit.plan import Plan, read_refs, resolve_targets
    from gitsign_py.audit.record import Record
    from gitsign_py.audit.rollup import Rollup

__all__ = ["Plan", "Record", "Resources", "Rollup", "Settings", "audit_history", "read_refs", "resolve_targets"]

_PLACES = {
    "Plan": "plan",
    "Record": "record",
    "Resources": "engine",
    "Rollup": "rollup",
    "Settings": "jobs",
    "audit_history": "engine",
    "read_refs": "plan",
    "resolve_targets": "plan",
}


def __getattr__(name: str) -> Any:  # PEP 562
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
