"""Approvals for git's own commands, which judge one commit: by this process's trust root, loaded when a rule asks."""

from gitsign_py.audit.approvals import Approvals
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.cli import wiring
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError
from gitsign_py.host.git.objects import GitRepository


def approvals_in(settings: wiring.Settings, repository: GitRepository) -> Approvals:
    """The approvals in a repository; a newer trust root is looked for where a statement lacks an authority."""

    def renew(error: GitsignError) -> TrustedRoot | None:
        made = wiring.renewal(settings, wiring.trusted_root(settings))
        return made(error) if made is not None else None

    return Approvals(repository, lambda: VerifySettings(wiring.trusted_root(settings), wiring.now()), renew)
