"""The set-up that audit, policy and hooks share: trust root, cache, log entries."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitsign_py.audit.cache import Basis, FactsCache, UnsafeCacheError
from gitsign_py.audit.closing import HERE, Place, find_closing
from gitsign_py.audit.jobs import Job, VerifySettings
from gitsign_py.audit.plan import AuditPlan, check_introduction
from gitsign_py.audit.resources import FetchEntries, Resources
from gitsign_py.cli import knownsigners, ownconfig, wiring
from gitsign_py.cli.policysource import configured_policy
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import ConfigError, GitsignError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.paths import cache_directory

if TYPE_CHECKING:
    from gitsign_py.cli.auditentries import EntryFinder
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.verification.renewal import Renew


@frozen
class AuditOptions:
    """The wishes of a command line or a hook for the verification."""

    trusted_root: str | None = None
    offline: bool = False
    cache: bool = True
    jobs: int = 0
    require_sct: bool = True
    write_notes: bool = False
    log_from: Path | None = None


@frozen
class AuditSetup:
    """Resources for the engine, and where the trust root came from."""

    resources: Resources
    trust_source: str
    trust_digest: str
    trust_version: str = ""
    stale: str = ""
    """How old the trust root is, where it is older than a day and may not be renewed."""


def prepare(
    stack: ExitStack,
    settings: wiring.Settings,
    repository: GitRepository,
    audit_options: AuditOptions,
    *,
    warn: Callable[[str], None],
) -> AuditSetup:
    """Load the trust root, open the cache and the stores. Raises what loading a trust root raises."""
    trust = wiring.loaded_trust(settings, file=audit_options.trusted_root, offline=audit_options.offline)
    verify = VerifySettings(
        trust.root,
        wiring.now(),
        audit_options.require_sct,
        wiring.require_timestamp(settings),
        wiring.witness_policy(settings),
    )
    # A commit with remembered facts needs no entry any more, and notes are to be written for all of them.
    use_cache = audit_options.cache and not audit_options.write_notes
    cache = facts_cache(stack, Basis.of_signatures(verify), warn) if use_cache else None
    fetch = _fetch(stack, settings, repository, audit_options, trust.root, warn=warn)
    renew = wiring.renewal(
        settings, trust.root, file=audit_options.trusted_root, offline=audit_options.offline, say=warn
    )
    resources = Resources(verify, audit_options.jobs, cache, fetch, renew)
    stack.callback(resources.close)
    return AuditSetup(resources, trust.source, trust.root.digest, trust.version, stale_in_words(renew))


def stale_in_words(renew: "Renew | None") -> str:
    """How old a trust root is that may not be renewed; empty for one of today."""
    from gitsign_py.clients.renewal import NotRenewed  # noqa: PLC0415 - where a trust root was read, it is loaded

    return renew.stale if isinstance(renew, NotRenewed) else ""


def newer_root(settings: wiring.Settings, prepared: AuditSetup) -> tuple[str, str] | None:
    """Digest and version of the trust root that the run went on with, where that is another than it began with."""
    root = prepared.resources.settings.trusted_root
    if root is None or root.digest == prepared.trust_digest:
        return None
    try:
        loaded = wiring.loaded_trust(settings, offline=True)
    except GitsignError:
        return root.digest, ""
    return root.digest, loaded.version if loaded.root.digest == root.digest else ""


def policy_plan(settings: wiring.Settings, repository: GitRepository, place: Place) -> AuditPlan:
    """By which policy a hook judges. On a server there must be one: without it the hook would wave everything through.

    Raises ConfigError ``policy-missing``, and what reading a policy raises.
    """
    if settings.config.signers.in_history:
        return history_plan(settings, repository, place)
    if settings.config.signers.policy:
        policy = configured_policy(repository, settings.config.signers.policy)
        return AuditPlan((), policy=policy, introduction=policy.introduction, assume_judged=True)
    if place.is_server:
        raise ConfigError(
            "policy-missing",
            "no policy is configured, and without one nothing may be pushed",
            hint="on the server: git config gitsign.policy FILE",
        )
    return AuditPlan(())


def history_plan(settings: wiring.Settings, repository: GitRepository, place: Place = HERE) -> AuditPlan:
    """The plan, without targets, for a policy in the history: what is left out counts as judged.

    Raises ConfigError ``introduction-missing``, and what ``check_introduction`` raises.
    """
    introduction = settings.config.signers.introduction
    if not introduction:
        raise ConfigError(
            "introduction-missing",
            "gitsign.policyMode is history and gitsign.introduction is not set",
            hint="git config gitsign.introduction ID, with the full id of the commit that adds the policy",
        )
    plan = AuditPlan((), introduction=introduction, in_history=True, assume_judged=True)
    return closed(settings, repository, plan, place)


def closed(settings: wiring.Settings, repository: GitRepository, plan: AuditPlan, place: Place = HERE) -> AuditPlan:
    """The plan with the policy that closes windows; it does nothing else. Raises what ``check_introduction`` raises."""
    check_introduction(repository, plan.introduction)
    place = replace(place, configured=settings.config.signers.protected_ref)
    closing = find_closing(repository, plan.introduction, place)
    return replace(plan, policy=closing.policy, closing=closing)


def facts_cache(stack: ExitStack, basis: Basis, warn: Callable[[str], None]) -> FactsCache | None:
    """Open this user's cache of what rests on ``basis``; None, with a warning, when it cannot be trusted or used."""
    try:
        return stack.enter_context(FactsCache(cache_directory() / "audit", basis))
    except (UnsafeCacheError, ConfigError) as error:
        warn(f"going on without the cache: {error}")
        return None


def _fetch(
    stack: ExitStack,
    settings: wiring.Settings,
    repository: GitRepository,
    audit_options: AuditOptions,
    root: "TrustedRoot",
    *,
    warn: Callable[[str], None],
) -> FetchEntries:
    """Entries of online-mode objects: notes, the local store, then the log. Opened when the first one is met."""
    opened: list[EntryFinder] = []

    def fetch(jobs: Sequence[Job]) -> dict[str, tuple[bytes, ...]]:
        if not opened:
            from gitsign_py.cli import auditentries  # noqa: PLC0415 - requests, for online-mode history alone

            replica = None
            if audit_options.log_from is not None:
                replica = auditentries.replica_entries(audit_options.log_from, root)
            elif (folder := wiring.log_replica(settings)) is not None:
                replica = auditentries.replica_if_usable(folder, root, warn)
            finder = auditentries.EntryFinder(
                settings,
                repository,
                warn,
                offline=audit_options.offline,
                write_notes=audit_options.write_notes,
                replica=replica,
            )
            opened.append(stack.enter_context(finder))
        return opened[0].fetch(jobs)

    return fetch


def said_by_repository(
    settings: wiring.Settings, options: argparse.Namespace, plan: AuditPlan, prepared: AuditSetup
) -> tuple[str, ...]:
    """The sources of a verdict that the repository's own configuration named, where no option did."""
    fields: list[str] = []
    if plan.in_history and not options.in_history:
        fields.append("policy_mode")
    if not (plan.in_history or options.policy or options.no_policy):
        fields += ownconfig.BY_POLICY  # or without one, where it is switched off there
    if plan.in_history and not options.introduction:
        fields.append("introduction")
    if plan.closing is not None:
        fields.append("protected_ref")
    files: tuple[str, ...] = ()
    if plan.policy is None and not plan.in_history:
        fields.append("allowed_signers")
        files = knownsigners.said_by_repository(settings)
    digests = {"policy": plan.policy.digest} if plan.policy is not None else {}
    trust = ownconfig.trust_said_by_repository(settings, prepared.trust_digest, option=options.trusted_root)
    return (*trust, *ownconfig.said_by_repository(settings, fields, digests), *files)


def warn_on_stderr(text: str) -> None:
    """Print a warning."""
    print(f"gitsign-py: {text}", file=sys.stderr)


def stderr_terminal() -> Callable[[bytes], object] | None:
    """Where to draw progress: stderr, when it is a terminal. Past its buffer, which a signal may find in use."""
    return partial(os.write, sys.stderr.fileno()) if sys.stderr is not None and sys.stderr.isatty() else None
