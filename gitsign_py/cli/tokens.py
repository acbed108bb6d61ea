"""Where this call's identity token comes from, and the person's consent before a certificate makes it public."""

from dataclasses import dataclass, field

from gitsign_py.cli import wiring
from gitsign_py.clients.oidc_static import StackTokenSource
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.signin import SignInSettings, obtain_token, remembered_token
from gitsign_py.clients.urls import is_loopback
from gitsign_py.core.token import IdentityToken, certificate_identities, parse_unverified
from gitsign_py.errors import FormatError
from gitsign_py.host.consent import Dialogue, Publication, require_consent
from gitsign_py.host.tokens import static_source


@dataclass(slots=True)
class Person:
    """Who sits there: a way to speak with them, and the name and address that git knows them by."""

    dialogue: Dialogue
    name: str = ""
    email: str = ""


@dataclass(slots=True)
class TokenDesk:
    """Finds a token for one signature (port ``TokenSource``); ``flag`` is the value of ``--token``."""

    settings: wiring.Settings
    chosen: wiring.Endpoints
    http: HttpSession
    person: Person
    flag: str | None = None
    remember: bool = field(default=False)

    def token(self) -> IdentityToken:
        """Find a token, and ask the person where what it would publish is not what the commit says.

        Raises as ``obtain_token`` and ``require_consent`` do.
        """
        token = self.find()
        self._consent(token)
        return token

    def find(self) -> IdentityToken:
        """Find a token: given, the platform's, the local stack's, a remembered sign-in, or a person's."""
        if self._stack_answers():
            source = StackTokenSource(self.http, self.chosen.issuer, self.person.email, self.settings.config.client_id)
            return source.token()
        tools = wiring.sign_in_tools(self.settings, self.http, self.person.dialogue)
        return obtain_token(self._sign_in(), tools, flag=self.flag)

    def silent(self) -> IdentityToken | None:
        """Find a token that needs nobody, None when a person has to sign in."""
        if self.needs_person():
            tools = wiring.sign_in_tools(self.settings, self.http, self.person.dialogue)
            return None if self.settings.config.token_provider else remembered_token(self._sign_in(), tools)
        return self.find()

    def needs_person(self) -> bool:
        """Whether a person has to sign in, as far as the settings tell (a remembered sign-in aside)."""
        from gitsign_py.clients.ambient import NAMES, detect  # noqa: PLC0415 - the platforms' library costs 60 ms

        provider = self.settings.config.token_provider
        if static_source(self.flag, self.settings.environment) is not None or provider in NAMES:
            return False
        return bool(provider) or not (self._stack_answers() or detect(self.settings.environment))

    def _sign_in(self) -> SignInSettings:
        return wiring.sign_in_settings(self.settings, self.chosen, remember=self.remember)

    def _stack_answers(self) -> bool:
        """A loopback issuer hands out tokens for the asking; whoever wants its login page names a provider."""
        given = static_source(self.flag, self.settings.environment) is not None
        return not given and not self.settings.config.token_provider and is_loopback(self.chosen.issuer)

    def _consent(self, token: IdentityToken) -> None:
        claims = parse_unverified(token.raw)
        identities = certificate_identities(claims)
        if not identities:
            raise FormatError("token-invalid", "the identity token names nobody")
        kind = "email" if claims.email else "uri"
        publication = Publication(identities[-1], kind, self.chosen.fulcio, self.person.name, self.person.email)
        config = self.settings.config
        require_consent(publication, config.match_committer, wiring.consent_book(), self.person.dialogue)
