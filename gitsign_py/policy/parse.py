"""Read a policy (TOML 1.0, docs/policy.md): everything unknown, missing, contradictory or unanchored is an error."""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.pki.distinguished import written_name
from gitsign_py.errors import FormatError, PolicyError
from gitsign_py.policy.consistency import check_consistency
from gitsign_py.policy.document import DocumentError, read_document
from gitsign_py.policy.model import TIME_SOURCES, Forge, Key, Match, Policy, Rule, TimeSource
from gitsign_py.policy.patterns import path_glob, ref_glob
from gitsign_py.policy.principals import Principals, read_principals
from gitsign_py.policy.reader import Problem, Problems, Table
from gitsign_py.policy.sshkey import ssh_fingerprint

MAX_RULES = 256
MAX_GLOBS = 1024
_OID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_MATCHES = ("committer", "author", "both", "none")


@frozen
class Defaults:
    """The demand of a rule that says nothing else."""

    match: Match
    times: frozenset[TimeSource]


def parse_policy(data: bytes, source: str) -> Policy:
    """Read a policy from its bytes; ``source`` is its name in messages (``.gitsign/policy.toml``).

    Raises PolicyError ``policy-invalid``, which names the first problem's line and key and counts the others.
    """
    policy, problems = read_policy(data, source)
    if policy is None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise PolicyError(
            "policy-invalid",
            f"{source}:{first.line}: {first.key + ': ' if first.key else ''}{first.message}{more}",
            hint="see gitsign-py policy check",
            facts={"source": source, "line": first.line, "key": first.key, "problems": len(problems)},
        )
    return policy


def read_policy(data: bytes, source: str) -> tuple[Policy | None, tuple[Problem, ...]]:
    """Read a policy and give it, or None and everything that is wrong with it in the order of the lines."""
    try:
        text, values = read_document(data)
    except DocumentError as error:
        return None, (Problem(error.line, "", error.message),)
    problems = Problems(text)
    policy = _policy(Table(values, (), problems), source, hashlib.sha256(data).hexdigest())
    if problems.found:
        return None, tuple(sorted(problems.found, key=lambda problem: problem.line))
    return policy, ()


def _policy(root: Table, source: str, digest: str) -> Policy:
    root.version("version", 1)
    introduction = root.text("introduction", default="")
    if introduction and not _OID.match(introduction):
        root.wrong("introduction", "must be a full commit id, 40 or 64 lower-case hex digits")
    keys = _keys(root)
    principals = read_principals(root, keys)
    defaults = Defaults(cast(Match, root.choice("match", _MATCHES, default="committer")), _times(root))
    policy = Policy(
        source=source,
        digest=digest,
        administrators=principals.expand(root, "administrators", required=True),
        rules=_rules(root, principals, defaults),
        principals=principals.by_name,
        keys=keys,
        forges=_forges(root),
        exemptions=_exemptions(root),
        unjudged=_unjudged(root),
        introduction=introduction,
    )
    root.finish()
    check_consistency(policy, root.problems)
    return policy


def _times(table: Table) -> frozenset[TimeSource]:
    named = table.texts("times")
    for name in named:
        if name not in TIME_SOURCES:
            table.wrong("times", f"knows {', '.join(TIME_SOURCES)}, not {name}")
    return frozenset(cast(TimeSource, name) for name in named)


def _keys(root: Table) -> Mapping[str, Key]:
    return MappingProxyType({name: _key(name, table) for name, table in root.named("keys")})


def _key(name: str, table: Table) -> Key:
    form = table.choice("format", ("openpgp", "ssh", "x509"), default="openpgp")
    if form == "ssh":
        key = _ssh_key(name, table)
    elif form == "x509":
        key = _x509_key(name, table)
    else:
        fingerprint = table.text("fingerprint").replace(" ", "").upper()
        if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
            table.wrong("fingerprint", "must be a full OpenPGP fingerprint, 40 or 64 hex digits")
        key = Key(name, "openpgp", fingerprint)
    table.finish()
    return key


def _ssh_key(name: str, table: Table) -> Key:
    public = " ".join(table.text("public").split()[:2])
    fingerprint = ssh_fingerprint(public)
    if not fingerprint:
        table.wrong("public", "must be an SSH public key: ssh-ed25519 AAAA...")
    return Key(name, "ssh", fingerprint, public)


def _x509_key(name: str, table: Table) -> Key:
    """One certificate, or every one that an issuer gives to a subject: renewed ones too."""
    if "fingerprint" in table.values:
        fingerprint = table.text("fingerprint").replace(":", "").replace(" ", "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
            table.wrong("fingerprint", "must be the SHA-256 of the certificate, 64 hex digits")
        return Key(name, "x509", fingerprint)
    return Key(name, "x509", "", issuer=_distinguished(table, "issuer"), subject=_distinguished(table, "subject"))


def _distinguished(table: Table, key: str) -> str:
    text = table.text(key)
    try:
        return written_name(text) if text else ""
    except FormatError as error:
        table.wrong(key, error.message)
        return ""


def _rules(root: Table, principals: Principals, defaults: Defaults) -> tuple[Rule, ...]:
    """Each rule is held against all before it, with all of their globs: bounded, or a small file takes minutes."""
    tables = tuple(root.items("rules"))
    rules = tuple(_rule(table, principals, defaults) for table in tables[:MAX_RULES])
    if not rules:
        root.wrong("rules", "are missing: without a rule nobody may sign anything")
    if len(tables) > MAX_RULES or sum(len(rule.refs) + len(rule.paths) for rule in rules) > MAX_GLOBS:
        root.wrong("rules", f"are more than {MAX_RULES}, or have more than {MAX_GLOBS} refs and paths in all")
        return ()
    return rules


def _unjudged(root: Table) -> tuple[str, ...]:
    globs = root.patterns("unjudged", ref_glob)
    if len(globs) > MAX_GLOBS:
        root.wrong("unjudged", f"has more than {MAX_GLOBS} refs")
        return ()
    return globs


def _rule(table: Table, principals: Principals, defaults: Defaults) -> Rule:
    rule = Rule(
        name=table.text("name"),
        refs=table.patterns("refs", ref_glob),
        paths=table.patterns("paths", path_glob),
        allow=principals.expand(table, "allow", required=True),
        match=cast(Match, table.choice("match", _MATCHES, default=defaults.match)),
        times=_times(table) or defaults.times,
        approvals=table.count("approvals"),
        robot_approvals=table.count("robot-approvals"),
        approvers=principals.expand(table, "approvers", required=False),
        signed_push=table.flag("require-signed-push", default=False),
    )
    if rule.signed_push and rule.paths:
        table.wrong("require-signed-push", "is asked of a push to a ref, which has no paths: use a rule without paths")
    if not rule.approvers:
        rule = replace(rule, approvers=rule.allow)
    table.finish()
    return rule


def _forges(root: Table) -> tuple[Forge, ...]:
    forges = []
    for name, table in root.named("forges"):
        reproducible = table.flag("reproducible", default=False)
        author_pushes = table.flag("author-pushes", default=False)
        copies = {kind: table.flag(kind, default=False) for kind in ("squash", "rebase")}
        forge = Forge(name, table.text("committer"), reproducible, table.texts("keys"), author_pushes, **copies)
        if author_pushes and not reproducible:
            table.wrong("author-pushes", "is asked of merges that nobody signed: reproducible must be true")
        if not forge.reproducible and not forge.keys:
            table.wrong("reproducible", "must be true, or keys must be listed: else no merge of the forge can count")
        table.finish()
        forges.append(forge)
    return tuple(forges)


def _exemptions(root: Table) -> Mapping[str, str]:
    exempt: dict[str, str] = {}
    for table in root.items("exemptions"):
        reason = table.text("reason")
        for oid in table.texts("commits", required=True):
            if not _OID.match(oid):
                table.wrong("commits", f"{oid} is not a full object id, 40 or 64 lower-case hex digits")
            if oid in exempt:
                table.wrong("commits", f"{oid} is exempt already, for another reason: {exempt[oid]}")
            exempt[oid] = reason
        table.finish()
    return MappingProxyType(exempt)
