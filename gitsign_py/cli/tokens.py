"""Where this call's identity token comes from, and the person's consent before a certificate makes it public."""

from typing import TYPE_CHECKING

from gitsign_py.cli import instance, signingparts, wiring
from gitsign_py.cli.services import confirm_services
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.tokensources import TokenRequest, first_source, obtain_token
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.mapping import certificate_identities, kind_for
from gitsign_py.core.sigstore.token import IdentityToken, parse_unverified
from gitsign_py.host.consent import Dialogue, Publication, require_consent
from gitsign_py.signing.wanted import WantedSigner, check_address

if TYPE_CHECKING:
    from gitsign_py.clients.signin import SignInSettings, SignInTools


@frozen
class Person:
    """The person at the terminal: a way to speak with them, and the name and address that git knows them by."""

    dialogue: Dialogue
    name: str = ""
    email: str = ""


@frozen
class TokenFinder:
    """Finds a token for one signature (port ``TokenSource``); ``flag`` is the value of ``--token``, ``wanted`` the
    signer that git was told.
    """

    settings: wiring.Settings
    chosen: instance.Endpoints
    http: HttpSession
    person: Person
    flag: str | None = None
    wanted: WantedSigner | None = None

    def token(self) -> IdentityToken:
        """Find a token, and ask the person where what it would publish is not what the commit says.

        Raises as ``obtain_token`` and ``require_consent`` do.
        """
        token = self.find()
        if self.wanted is not None:
            check_address(self.wanted, parse_unverified(token.raw))
        self._consent(token)
        return token

    def find(self) -> IdentityToken:
        """Find a token in the order of the table of token sources.

        The person agrees first to services that the repository's own configuration names: from here on they get it.
        """
        confirm_services(self.settings, self.chosen, self.person.dialogue)
        request = token_request(self.settings, self.chosen, self._email, self.flag)
        return obtain_token(request, self.http, self._prepare)

    @property
    def _email(self) -> str:
        """The address to sign in with: that of the signer who was named, else the committer's."""
        return (self.wanted.address if self.wanted is not None else "") or self.person.email

    def _prepare(self) -> "tuple[SignInSettings, SignInTools]":
        tools = signingparts.sign_in_tools(self.settings, self.http, self.person.dialogue)
        return signingparts.sign_in_settings(self.settings, self.chosen, email=self._email), tools

    def _consent(self, token: IdentityToken) -> None:
        claims = parse_unverified(token.raw)
        self.agree(certificate_identities(claims)[-1], kind_for(claims))

    def agree(self, identity: str, kind: str) -> None:
        """Ask the person about this identity, where that is needed. Raises as ``require_consent`` does."""
        publication = Publication(identity, kind, self.chosen.fulcio, self.person.name, self.person.email)
        config = self.settings.config
        require_consent(publication, config.sign_in.match_committer, wiring.consent_book(), self.person.dialogue)


def token_request(
    settings: wiring.Settings, chosen: instance.Endpoints, email: str = "", flag: str | None = None
) -> TokenRequest:
    """Say for the table of token sources what this call wants."""
    sign_in = settings.config.sign_in
    return TokenRequest(chosen.issuer, sign_in.client_id, sign_in.token_provider, settings.environment, email, flag)


def wants_agent(settings: wiring.Settings, chosen: instance.Endpoints) -> bool:
    """Tell whether a signature is to start an agent (docs/adr/0004), as far as the settings say.

    With ``auto`` it is where a token must be asked for (a person, the local stack), and is not handed over.
    """
    mode = settings.config.program.agent
    return mode == "on" or (mode == "auto" and not first_source(token_request(settings, chosen)).handed)


def needs_person(settings: wiring.Settings, chosen: instance.Endpoints) -> bool:
    """Tell whether a person has to sign in, as far as the settings say (a remembered sign-in aside)."""
    return first_source(token_request(settings, chosen)).person
