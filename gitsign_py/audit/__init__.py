"""Walk a history, judge every commit, report: ``audit_history`` yields verdicts as they come.

``AuditPlan`` says what to judge and by which policy, ``Resources`` what the run may use. Processes on all cores help to
verify, so a program that runs as a script must guard its main part by ``if __name__ == "__main__"``.
"""

from gitsign_py.core.exports import exported

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from gitsign_py.audit.engine import audit_history
    from gitsign_py.audit.jobs import VerifySettings
    from gitsign_py.audit.plan import AuditPlan, Target, read_refs, resolve_targets
    from gitsign_py.audit.record import Record
    from gitsign_py.audit.resources import Resources
    from gitsign_py.audit.rollup import Rollup
    from gitsign_py.host.git.objects import GitRepository
    from gitsign_py.host.repository import open_repository
else:
    __getattr__ = exported(
        __name__,
        {
            "GitRepository": "host.git.objects",
            "AuditPlan": "audit.plan",
            "Record": "audit.record",
            "Resources": "audit.resources",
            "Rollup": "audit.rollup",
            "VerifySettings": "audit.jobs",
            "Target": "audit.plan",
            "audit_history": "audit.engine",
            "open_repository": "host.repository",
            "read_refs": "audit.plan",
            "resolve_targets": "audit.plan",
        },
    )

__all__ = [
    "AuditPlan",
    "GitRepository",
    "Record",
    "Resources",
    "Rollup",
    "Target",
    "VerifySettings",
    "audit_history",
    "open_repository",
    "read_refs",
    "resolve_targets",
]
