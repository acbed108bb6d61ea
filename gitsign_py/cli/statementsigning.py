"""In-toto statements signed for commands and hooks: by the agent where one answers, else here, by one credential."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gitsign_py.cli import instance, signingparts, wiring
from gitsign_py.cli.agentside.calls import call_agent, committer_fields, start_agent
from gitsign_py.cli.clock import clock_told
from gitsign_py.cli.commands.debug import committer_here, wanted_here
from gitsign_py.cli.services import confirm_services
from gitsign_py.cli.tokens import Person, TokenFinder
from gitsign_py.host.terminal import open_terminal
from gitsign_py.signing.attestation import Attestation, attest_with
from gitsign_py.signing.credential import obtain_credential
from gitsign_py.verification.bundle import Artifact, verify_bundle
from gitsign_py.verification.renewal import checked
from gitsign_py.verification.steps import Requirements

SignStatement = Callable[[bytes, Artifact], Attestation]


def sign_statement(
    settings: wiring.Settings, statement: bytes, artifact: Artifact, trusted_root: str | None
) -> Attestation:
    """Sign an in-toto statement by the agent, or here. Raises what ``signing.attestation.attest`` does."""
    made = None if trusted_root else _by_agent(settings, statement, artifact)
    if made is not None:
        return made
    with statement_signer(settings, trusted_root) as sign:
        return sign(statement, artifact)


def _by_agent(settings: wiring.Settings, statement: bytes, artifact: Artifact) -> Attestation | None:
    """Let the agent sign, as for commits: one sign-in for both. It signs by the settings, so not with --trusted-root.

    What it gives is verified here once more, by the trust root of this process.
    """
    start_agent(settings)
    [(digest_name, digest)] = artifact.digests.items()
    fields = {"statement": statement, "digest": digest_name.encode(), "oid": digest.hex().encode()}
    reply = call_agent(settings, "attest", fields | committer_fields(*committer_here(settings), wanted_here(settings)))
    if reply is None:
        return None
    root = wiring.trusted_root(settings)
    verified = checked(
        root,
        wiring.renewal(settings, root),
        lambda one: verify_bundle(
            reply["bundle"],
            artifact=artifact,
            trusted_root=one,
            now=wiring.now(),
            requirements=Requirements(witnesses=wiring.witness_policy(settings)),
        ),
    )
    return Attestation(reply["envelope"], reply["bundle"], verified)


@contextmanager
def statement_signer(
    settings: wiring.Settings, trusted_root: str | None, *, for_others: bool = False
) -> Iterator[SignStatement]:
    """A function that signs here, by one certificate; ``for_others``: see ``attest_with``."""
    chosen, root = instance.endpoints(settings), wiring.trusted_root(settings, file=trusted_root)
    log_path = wiring.log_path(settings)
    with (
        open_terminal(os.environ, log_path=log_path, now=wiring.now) as terminal,
        wiring.session(settings) as http,
        clock_told(http),
    ):
        confirm_services(settings, chosen, terminal)
        wanted = None if for_others else wanted_here(settings)
        finder = TokenFinder(settings, chosen, http, Person(terminal, *committer_here(settings)), None, wanted)
        renew = wiring.renewal(settings, root, file=trusted_root)
        services = signingparts.signing_services(http, chosen, root, finder, renew)
        options = signingparts.signing_options(settings, chosen, root, renew, wanted, agree=finder.agree)
        credential = obtain_credential(
            options.request, tokens=services.tokens, authority=services.authority, now=services.clock.now()
        )
        yield lambda statement, artifact: attest_with(
            credential, statement, artifact, services=services, options=options, for_others=for_others
        )
