"""Judge one commit or tag by one policy: the whole order of the questions stands in ``evaluate``.

1. Is it exempt by its id? 2. Was its signature good? 3. Who is that? 4. Is the time proven as asked, and inside the
signer's window? 5. Does the committer (or author) line name the signer? 6. Does a rule let the signer do this here?
Only then is it ``verified``. Forge merges are in ``merges.py``, squashes and rebases in ``copies.py``; policies that
lie in the history in ``history.py``.
"""

from collections.abc import Iterable

from gitsign_py.core.git.tagname import fits_ref, mismatch
from gitsign_py.core.pki.namekind import described
from gitsign_py.policy.approvals import check_approvals
from gitsign_py.policy.copies import judge_forge_copy, may_be_copy
from gitsign_py.policy.facts import CommitFacts, Decision, SignatureFacts
from gitsign_py.policy.merges import PARENTS, judge_forge_merge
from gitsign_py.policy.model import Policy, Principal, Rule
from gitsign_py.policy.rules import Case, decisions, touched_policy
from gitsign_py.policy.signers import check_window, find_signers, refused
from gitsign_py.policy.surroundings import NOTHING_CHANGED, Surroundings


def evaluate(
    policy: Policy,
    commit: CommitFacts,
    signature: SignatureFacts,
    ref: str,
    around: Surroundings = NOTHING_CHANGED,
) -> Decision:
    """Judge ``commit``, whose signature left ``signature``, on the full ref name ``ref``.

    ``around`` answers what lies in the repository (changed paths, merges), and is asked only when it matters; what it
    raises (UncheckedError for an object that is not there, FormatError for a broken one) passes through.
    """
    case = Case(policy, commit, signature, ref, around)
    if commit.oid in policy.exemptions:
        return Decision("exempt", "exempt", policy.exemptions[commit.oid], rule="exemptions")
    if made_by_forge := judge_forge_merge(case) or judge_forge_copy(case):
        return made_by_forge
    if signature.status == "good":
        return _judge_signer(case)
    return Decision(signature.status, signature.reason, signature.message)


def is_plainly_unsigned(policy: Policy, oid: str, parents: int) -> bool:
    """Tell whether ``evaluate`` refuses this commit, which is unsigned, for that alone, whatever its ref is.

    So who scans many of them need not put together what ``evaluate`` asks for.
    """
    by_forge = (policy.forges and parents == PARENTS) or may_be_copy(policy, parents)
    return oid not in policy.exemptions and not by_forge


def evaluate_one(
    policy: Policy, commit: CommitFacts, signature: SignatureFacts, refs: Iterable[str], around: Surroundings
) -> Decision:
    """Judge a commit on every ref that it is (or would be) on: the first refusal counts, else the last acceptance.

    For git's own commands, which give no ref: pass the refs of the branches that the commit is judged for.
    """
    decision = Decision("unauthorised", "ref-missing", "no ref was named to judge the commit on")
    for ref in refs:
        decision = evaluate(policy, commit, signature, ref, around)
        if not decision.accepted:
            return decision
    return decision


def _judge_signer(case: Case) -> Decision:
    signers = find_signers(case.policy, case.signature)
    if not signers:
        return refused("signer-unknown", f"{_who(case.signature)} is not named in the policy")
    if len(signers) > 1:  # a policy must not be a guess
        names = " and ".join(sorted(signer.name for signer in signers))
        return refused("signer-ambiguous", f"{_who(case.signature)} may be {names} by the policy")
    signer = signers[0]
    if refusal := check_window(signer, case.signature):
        return refusal
    if signer.kind == "forge":
        return refused("forge-not-merge", f"{signer.name} may sign merges that it made, and nothing else", signer.name)
    return _check_tag_name(case, signer) or _check_administrator(case, signer) or _judge_rules(case, signer)


def _check_tag_name(case: Case, signer: Principal) -> Decision | None:
    """A tag says which version it is: below another name an old release would pass for a new one."""
    if case.commit.kind != "tag" or fits_ref(case.commit.name, case.ref):
        return None
    return refused("tag-name-mismatch", mismatch(case.commit.name, case.ref), signer.name)


def _check_administrator(case: Case, signer: Principal) -> Decision | None:
    """A file beside the policy changes who may do what, so the rules are not asked about it."""
    if signer.name in case.policy.administrators:
        return None
    touched = touched_policy(case)
    if not touched:
        return None
    return refused("policy-change", f"{signer.name} may not change {touched}", signer.name, "administrators")


def _judge_rules(case: Case, signer: Principal) -> Decision:
    """The rules for each changed path (see ``paths.py``) must all let the signer pass; the first refusal counts."""
    decided, wants_approvals = "", False
    for path, deciding in decisions(case.around.changed, case):
        for rule in deciding.rules:
            if refusal := _check_rule(case, rule, signer, _place(case.ref, path)):
                return refusal
        if not deciding.is_covered:
            return refused("rule-missing", f"no rule covers {_place(case.ref, path)}", signer.name)
        decided = decided or deciding.rules[-1].name
        wants_approvals = wants_approvals or any(rule.wants_approvals for rule in deciding.rules)
    found = case.around.approvers(case.policy, case.commit, case.ref) if wants_approvals else frozenset[str]()
    words = f"signed by {signer.name}" + (f", approved by {', '.join(sorted(found))}" if found else "")
    return Decision("verified", "verified", words, decided, signer.name)


def _place(ref: str, path: str) -> str:
    return f"{path} on {ref}" if path else ref


def _check_rule(case: Case, rule: Rule, signer: Principal, place: str) -> Decision | None:
    if signer.name not in rule.allow:
        return refused("rule-refuses", f"{signer.name} may not sign {place}", signer.name, rule.name)
    missing = rule.times - {source for source, _ in case.signature.times}
    if missing:
        wanted = " and ".join(sorted(missing))
        return refused("time-missing", f"rule asks for a time proven by {wanted}", signer.name, rule.name)
    return _check_lines(rule, case.commit, signer) or _check_approvals(case, rule, signer)


def _check_approvals(case: Case, rule: Rule, signer: Principal) -> Decision | None:
    """Tags are statements about versions, and nothing is merged by them: they are not asked for approvals."""
    if not rule.wants_approvals or case.commit.kind == "tag":
        return None
    found = case.around.approvers(case.policy, case.commit, case.ref)
    return check_approvals(case.policy, case.commit, rule, signer, found)


def _check_lines(rule: Rule, commit: CommitFacts, signer: Principal) -> Decision | None:
    """Compare committer or author (for a tag, the tagger) with the signer's e-mails, byte by byte."""
    lines = {"committer": commit.committer_email, "author": commit.author_email}
    asked = {"committer": ("committer",), "author": ("author",), "both": ("committer", "author"), "none": ()}
    for line in asked[rule.match]:
        if lines[line] not in signer.emails:
            message = f"{line} is {lines[line] or 'nobody'}, signed by {signer.name}"
            return Decision("identity-mismatch", f"{line}-mismatch", message, rule.name, signer.name)
    return None


def _who(signature: SignatureFacts) -> str:
    if signature.form == "sigstore":
        return f"{described(signature.identity, signature.san_type)} (issuer {signature.issuer})"
    if signature.form == "x509":
        return f"{signature.identity or signature.key} (S/MIME, issuer {signature.issuer})"
    return f"{signature.form} key {signature.key or 'unknown'}"
