"""Where this call's identity token comes from, and the person's consent before a certificate makes it public."""

from gitsign_py.cli import wiring
from gitsign_py.cli.services import confirm_services
from gitsign_py.clients.oidc_static import StackTokenSource
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import is_loopback
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import IdentityToken, certificate_identities, parse_unverified
from gitsign_py.errors import FormatError
from gitsign_py.host.consent import Dialogue, Publication, require_consent
from gitsign_py.host.tokens import static_source


@frozen
class Person:
    """Who sits there: a way to speak with them, and the name and address that git knows them by."""

    dialogue: Dialogue
    name: str = ""
    email: str = ""


@frozen
class TokenDesk:
    """Finds a token for one signature (port ``TokenSource``); ``flag`` is the value of ``--token``."""

    settings: wiring.Settings
    chosen: wiring.Endpoints
    http: HttpSession
    person: Person
    flag: str | None = None

    def token(self) -> IdentityToken:
        """Find a token, and ask the person where what it would publish is not what the commit says.

        Raises as ``obtain_token`` and ``require_consent`` do.
        """
        token = self.find()
        self._consent(token)
        return token

    def find(self) -> IdentityToken:
        """Find a token: given, the platform's, the local stack's, a remembered sign-in, or a person's.

        The person agrees first to services that the repository's own configuration names: from here on they get it.
        """
        confirm_services(self.settings, self.chosen, self.person.dialogue)
        given = static_source(self.flag, self.settings.environment)
        if given is not None:
            return given.token()
        if stack_answers(self.settings, self.chosen):
            source = StackTokenSource(self.http, self.chosen.issuer, self.person.email, self.settings.config.client_id)
            return source.token()
        from gitsign_py.clients.signin import obtain_token  # noqa: PLC0415 - 10 ms, for those who sign in

        tools = wiring.sign_in_tools(self.settings, self.http, self.person.dialogue)
        return obtain_token(wiring.sign_in_settings(self.settings, self.chosen), tools)

    def _consent(self, token: IdentityToken) -> None:
        claims = parse_unverified(token.raw)
        identities = certificate_identities(claims)
        if not identities:
            raise FormatError("token-invalid", "the identity token names nobody")
        kind = "email" if claims.email else "uri"
        publication = Publication(identities[-1], kind, self.chosen.fulcio, self.person.name, self.person.email)
        config = self.settings.config
        require_consent(publication, config.match_committer, wiring.consent_book(), self.person.dialogue)


def signs_in(settings: wiring.Settings, chosen: wiring.Endpoints) -> bool:
    """Tell whether a token must be asked for (a person, the local stack), and was not handed over by the caller."""
    given = static_source(None, settings.environment) is not None
    return not given and (stack_answers(settings, chosen) or needs_person(settings, chosen))


def wants_agent(settings: wiring.Settings, chosen: wiring.Endpoints) -> bool:
    """Tell whether a signature is to start an agent (docs/adr/0004), as far as the settings say."""
    mode = settings.config.agent
    return mode == "on" or (mode == "auto" and signs_in(settings, chosen))


def needs_person(settings: wiring.Settings, chosen: wiring.Endpoints) -> bool:
    """Tell whether a person has to sign in, as far as the settings say (a remembered sign-in aside)."""
    if static_source(None, settings.environment) is not None or stack_answers(settings, chosen):
        return False
    from gitsign_py.clients.ambient import NAMES, detect  # noqa: PLC0415 - the platforms' library costs 60 ms

    provider = settings.config.token_provider
    return provider not in NAMES if provider else detect(settings.environment) is None


def stack_answers(settings: wiring.Settings, chosen: wiring.Endpoints) -> bool:
    """A loopback issuer hands out tokens for the asking; whoever wants its login page names a provider."""
    return not settings.config.token_provider and is_loopback(chosen.issuer)
