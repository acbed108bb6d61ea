"""Who may move a ref: a rule with ``require-signed-push`` wants the push signed by somebody whom the rule allows.

The commits are judged beside it. What a signed push adds is who brought them here: a deletion and a move back have no
commit of their own, and anybody may push what others have signed.
"""

from gitsign_py.policy.facts import Decision, Pusher, SignatureFacts
from gitsign_py.policy.model import Policy, Principal, Rule
from gitsign_py.policy.signers import check_window, find_signers, refused


def judge_push(policy: Policy, ref: str, pusher: Pusher | None) -> Decision | None:
    """Give the reason why a push to ``ref`` may not be, None where it may; deletions are pushes."""
    rule = policy.push_rule(ref)
    if rule is None:
        return None
    signature = pusher.signature if pusher is not None else None
    if signature is None or signature.status != "good":
        return refused("push-unsigned", f"{ref} takes signed pushes alone", rule=rule.name)
    signers = find_signers(policy, signature)
    if len(signers) != 1:
        reason = "signer-ambiguous" if signers else "signer-unknown"
        known = "may be several by the policy" if signers else "is not named in the policy"
        return refused(reason, f"{signature.identity}, who signed the push, {known}", rule=rule.name)
    return check_window(signers[0], signature) or _check_rule(rule, signers[0], signature, ref)


def _check_rule(rule: Rule, signer: Principal, signature: SignatureFacts, ref: str) -> Decision | None:
    if signer.name not in rule.allow:
        return refused("rule-refuses", f"{signer.name} may not push to {ref}", signer.name, rule.name)
    if missing := rule.times - {source for source, _ in signature.times}:
        words = f"rule asks for a push whose time is proven by {' and '.join(sorted(missing))}"
        return refused("time-missing", words, signer.name, rule.name)
    return None
