"""The browserless flow of the bundled issuer (``gitsign-py stack``): say who you are, get a token.

Such an issuer vouches for nothing outside its own stack, so it believes whoever reaches it, and this client uses it on
loopback only: an issuer elsewhere that hands out identities for the asking must not get a signature by accident.
"""

from urllib.parse import urlencode

from gitsign_py.clients.answer import Answer, server_message, status_error
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import check_url, is_loopback, join_url
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import IdentityToken, parse_unverified
from gitsign_py.errors import ConfigError, FormatError

SERVICE = "OIDC issuer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_HINT = "give a token (--token, SIGSTORE_ID_TOKEN, GITSIGN_TOKEN_FILE) or choose an interactive gitsign.tokenProvider"


@frozen
class StackTokenSource:
    """Tokens of a loopback issuer for an e-mail address (port ``TokenSource``).

    ``email`` is the committer's; ``audience`` is also the client id, as the public issuer has it.
    """

    session: HttpSession
    issuer: str
    email: str
    audience: str = "sigstore"

    def token(self) -> IdentityToken:
        """Ask for a token. Raises ConfigError ``token-source-missing``, ServiceError."""
        check_url(SERVICE, self.issuer)
        if not is_loopback(self.issuer):
            raise _no_source(f"issuer {self.issuer} is not on this machine, it needs a browser or a token")
        if not self.email:
            raise ConfigError(
                "token-email-missing",
                "the local issuer needs an e-mail address and git has none",
                hint="git config user.email YOU@EXAMPLE.COM",
            )
        return self._read(self._ask())

    def _ask(self) -> Answer:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.audience,
            "login_hint": self.email,
            "audience": self.audience,
        }
        url = join_url(self.issuer, "/token")
        answer = self.session.exchange(
            SERVICE, "POST", url, body=urlencode(form).encode(), headers=_FORM, expected=(200, 400, 401, 404, 405)
        )
        if answer.status == 200:
            return answer
        if answer.status in (404, 405) or "unsupported_grant_type" in server_message(answer):
            raise _no_source(f"issuer {self.issuer} has no sign-in without a browser")
        raise status_error(answer, hint="check user.email and gitsign.clientID (sigstore for the local stack)")

    def _read(self, answer: Answer) -> IdentityToken:
        value = answer.json()
        raw = value.get("id_token") if isinstance(value, dict) else None
        if not isinstance(raw, str):
            raise answer.invalid("it holds no id_token")
        try:
            claims = parse_unverified(raw)
        except FormatError as error:
            raise answer.invalid(error.message) from error
        if claims.email != self.email:
            raise answer.invalid(f"its token is for {claims.email}, asked for was {self.email}")
        return IdentityToken(raw)


def _no_source(message: str) -> ConfigError:
    return ConfigError("token-source-missing", message, hint=_HINT)
