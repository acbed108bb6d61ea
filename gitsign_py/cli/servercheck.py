"""The needs of a server before its hook lets anything in, looked at before a push does: ``hooks`` and ``doctor``
ask.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gitsign_py.audit.closing import Place
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.hookfile import MAX_HOOK, SERVER_HOOKS, is_ours
from gitsign_py.cli.policysource import configured_policy, is_file
from gitsign_py.cli.sourcerefs import check_configured, wants_statements
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.checkup import Finding, found
from gitsign_py.host.git.naming import list_refs, object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.plainfile import read_plain
from gitsign_py.policy.model import Policy

_PROGRAM = re.compile(r"^p='?([^'\n;]*)'?;", re.MULTILINE)
_GUARDS = {
    "receive.denyDeletes": "a push that deletes a branch takes its history away: the hook keeps the policy's own",
    "receive.denyNonFastForwards": "a push that moves it back drops commits: the hook keeps an older policy out",
}


def readiness(settings: wiring.Settings, repository: GitRepository) -> Iterator[Finding]:
    """Is there a policy that can be read, and a trust root? Without either every push is refused."""
    yield found("policy", lambda: _policy(settings, repository))
    yield found("trust root", lambda: _trust(settings))


def check_ready(settings: wiring.Settings, hook: str, program: str) -> None:
    """Raise ConfigError ``hooks-server-unready`` where the very first push would be refused, with what to put where.

    ``hook`` is one that is to call ``program``.
    """
    with wiring.repository(settings) as repository:
        for finding in (_calls(hook, program), *readiness(settings, repository), *_logs(settings)):
            if finding.outcome == "fail":
                raise ConfigError(
                    "hooks-server-unready",
                    f"the hook would refuse every push: {finding.name}: {finding.message}",
                    hint=finding.advice,
                )


def server_findings(settings: wiring.Settings, repository: GitRepository, folder: Path) -> Iterator[Finding]:
    """All that a server's owner asks, where one of the hooks that judge pushes is ours."""
    ours = [name for name in SERVER_HOOKS if is_ours(folder / name)]
    if not ours:
        return
    for name in ours:
        yield _hook(folder / name)
    yield from readiness(settings, repository)
    if settings.config.signers.in_history or ":" in settings.config.signers.policy:
        for key, why in _GUARDS.items():
            yield _guard(settings, key, why)
    yield from _logs(settings)
    policy = _policy_in_force(settings, repository)
    if policy is not None and any(rule.signed_push for rule in policy.rules):
        yield _signed_pushes(settings, ours)
    yield from _after_a_push(settings, policy, is_there=is_ours(folder / "post-receive"))


def _after_a_push(settings: wiring.Settings, policy: Policy | None, *, is_there: bool) -> Iterator[Finding]:
    """Does post-receive what the settings ask for?"""
    states, publishes = wants_statements(settings.config.server), bool(settings.config.server.publish)
    copies = policy is not None and any(forge.copies for forge in policy.forges)
    if not is_there:
        if states or publishes:
            asked = "gitsign.publish" if publishes else "gitsign.sourceURI"
            words = f"{asked} is set, and post-receive is not ours: nothing is done after a push"
            yield Finding("post-receive", "warn", words, "gitsign-py hooks install --hook post-receive")
    elif states:
        yield found("source provenance", lambda: _attesting(settings))
    elif not publishes and not copies:
        words = "has nothing to do: no source provenance, no statuses, and no squash or rebase in the policy"
        yield Finding(
            "post-receive", "warn", words, "set what it is for, or gitsign-py hooks uninstall --hook post-receive"
        )


def _attesting(settings: wiring.Settings) -> Finding:
    """Without these the pushes come in, and nothing is stated of them."""
    server = settings.config.server
    check_configured(server)
    words = f"of {', '.join(server.source_refs)} as {server.source_uri}, by {server.source_attester.split()[0]}"
    return Finding("source provenance", "ok", words)


def _policy(settings: wiring.Settings, repository: GitRepository) -> Finding:
    if settings.config.signers.in_history:
        return _policy_in_history(settings, repository)
    if not settings.config.signers.policy:
        raise ConfigError(
            "policy-missing",
            "no policy is configured",
            hint="put one on the server, such as /etc/gitsign/policy.toml (gitsign-py policy init in a clone proposes "
            "one), and name it: git config gitsign.policy /etc/gitsign/policy.toml",
        )
    name = settings.config.signers.policy
    try:
        policy = configured_policy(repository, name)
    except ConfigError as error:
        if is_file(name) or error.reason != "policy-unreadable":
            raise
        raise ConfigError(
            error.reason,
            error.message,
            hint="push the policy there first, without the hook, or name a file on the server: "
            "git config gitsign.policy /etc/gitsign/policy.toml",
        ) from error
    return Finding("policy", "ok", f"{policy.source}, sha256 {policy.digest[:16]}")


def _policy_in_history(settings: wiring.Settings, repository: GitRepository) -> Finding:
    """Into an empty repository the first push may bring the introduction, and the policy with it."""
    introduction = settings.config.signers.introduction
    if introduction and not list_refs(repository) and not object_at(repository, f"{introduction}^{{commit}}"):
        words = f"in the history, from {introduction[:12]} on, which is not here yet"
        return Finding("policy", "warn", words, "let the first push bring a branch that has it")
    plan = auditing.history_plan(settings, repository)
    if plan.closing is not None and plan.closing.missing is not None:
        raise plan.closing.missing
    return Finding("policy", "ok", f"in the history, from {plan.introduction[:12]} on")


def _policy_in_force(settings: wiring.Settings, repository: GitRepository) -> Policy | None:
    """The policy that says which pushes must be signed; None where there is none, which is a finding of its own."""
    with suppress(GitsignError):
        signers = settings.config.signers
        if signers.in_history:
            return auditing.history_plan(settings, repository, Place(is_server=True)).policy
        return configured_policy(repository, signers.policy) if signers.policy else None
    return None


def _signed_pushes(settings: wiring.Settings, ours: Sequence[str]) -> Finding:
    """Git asks for a certificate where it has a seed for nonces, and hands it to pre-receive alone."""
    name, demand = "signed pushes", "the policy wants signed pushes"
    if "pre-receive" not in ours:
        advice = "gitsign-py hooks install --server"
        return Finding(name, "fail", f"{demand}, and git tells of them to pre-receive alone, which is not ours", advice)
    if not settings.gitconfig.get("receive.certNonceSeed"):
        return Finding(
            name,
            "fail",
            f"{demand}, and receive.certNonceSeed is not set: git takes none, so all are refused",
            "git config receive.certNonceSeed SECRET, with a secret of your own",
        )
    return Finding(name, "ok", "receive.certNonceSeed is set")


def _trust(settings: wiring.Settings) -> Finding:
    trust = wiring.loaded_trust(settings, offline=True)
    return Finding("trust root", "ok", f"{trust.source}, sha256 {trust.root.digest[:16]}")


def _hook(path: Path) -> Finding:
    """A hook that is not executable is passed over; one whose program is gone refuses everything."""
    if not os.access(path, os.X_OK):
        return Finding(path.name, "fail", "is not executable, so git passes over it", f"chmod +x {path}")
    named = _PROGRAM.search(read_plain(path, MAX_HOOK).decode("utf-8", "replace"))
    return _calls(path.name, named[1] if named else "")


def _calls(name: str, program: str) -> Finding:
    if program.startswith("/") and not os.access(program, os.X_OK):
        return Finding(
            name,
            "fail",
            f"calls {program}, which is not there or cannot be run: every push is refused",
            "install it there, or run gitsign-py hooks install --server again",
        )
    return Finding(name, "ok", f"calls {program or 'gitsign-py'}")


def _guard(settings: wiring.Settings, key: str, why: str) -> Finding:
    if settings.gitconfig.get(key).lower() in ("true", "yes", "on", "1"):
        return Finding(key, "ok", "is set")
    return Finding(key, "warn", f"is not set, and the policy lies in a branch: {why}", f"git config {key} true")


def _logs(settings: wiring.Settings) -> Iterator[Finding]:
    if settings.config.program.log_path is not None:
        yield _log(settings.config.program.log_path)


def _log(path: Path) -> Finding:
    is_place = not path.is_dir() if path.exists() else path.parent.is_dir()
    if is_place and os.access(path if path.exists() else path.parent, os.W_OK):
        return Finding("log", "ok", str(path))
    return Finding("log", "fail", f"{path} cannot be written: every push is refused", "give the hook's account access")
