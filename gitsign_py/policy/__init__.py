"""Decide who may sign what, from when, and where: read a policy (TOML), judge commits and tags by it. Pure.

``evaluate`` judges one commit by one policy. A policy that lies in the history it judges is the business of
``gitsign_py.audit`` (``AuditPlan.in_history``).
"""

from gitsign_py.core.exports import exported

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from gitsign_py.policy.cases import TestCase, parse_cases, run_cases
    from gitsign_py.policy.evaluation import evaluate
    from gitsign_py.policy.facts import UNSIGNED, VERDICTS, CommitFacts, Decision, Pusher, SignatureFacts, Verdict
    from gitsign_py.policy.model import Policy
    from gitsign_py.policy.parse import parse_policy, read_policy
    from gitsign_py.policy.reader import Problem
    from gitsign_py.policy.surroundings import Stated, Surroundings
    from gitsign_py.policy.verified import facts_of
else:
    __getattr__ = exported(
        __name__,
        {
            "UNSIGNED": "policy.facts",
            "VERDICTS": "policy.facts",
            "CommitFacts": "policy.facts",
            "Decision": "policy.facts",
            "Policy": "policy.model",
            "Problem": "policy.reader",
            "Pusher": "policy.facts",
            "SignatureFacts": "policy.facts",
            "Stated": "policy.surroundings",
            "Surroundings": "policy.surroundings",
            "TestCase": "policy.cases",
            "Verdict": "policy.facts",
            "evaluate": "policy.evaluation",
            "facts_of": "policy.verified",
            "parse_cases": "policy.cases",
            "parse_policy": "policy.parse",
            "read_policy": "policy.parse",
            "run_cases": "policy.cases",
        },
    )

__all__ = [
    "UNSIGNED",
    "VERDICTS",
    "CommitFacts",
    "Decision",
    "Policy",
    "Problem",
    "Pusher",
    "SignatureFacts",
    "Stated",
    "Surroundings",
    "TestCase",
    "Verdict",
    "evaluate",
    "facts_of",
    "parse_cases",
    "parse_policy",
    "read_policy",
    "run_cases",
]
