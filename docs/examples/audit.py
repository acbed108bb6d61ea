"""Judge the history of the branch main in this repository by a policy."""

import os
from datetime import UTC, datetime
from pathlib import Path

from gitsign_py.audit import AuditPlan, GitRepository, Resources, Rollup, VerifySettings, audit_history, resolve_targets
from gitsign_py.policy import parse_policy
from gitsign_py.verification import parse_trusted_root


def main() -> None:
    """Print a verdict for each commit, and the share of those that may stay."""
    trusted_root = parse_trusted_root(Path("trusted_root.json").read_bytes())
    policy = parse_policy(Path("policy.toml").read_bytes(), "policy.toml")
    rollup = Rollup()
    with GitRepository(Path.cwd(), environment=os.environ) as repository:
        targets, exclude = resolve_targets(repository, ("main",))
        plan = AuditPlan(targets, exclude, policy=policy)
        for record in audit_history(repository, plan, Resources(VerifySettings(trusted_root, datetime.now(UTC)))):
            print(record.oid, record.verdict, record.reason, record.identity)
            rollup.add([record])
    print(f"{rollup.verified} of {rollup.total} verified")


if __name__ == "__main__":  # other processes help to verify, and some systems have them import this file
    main()
