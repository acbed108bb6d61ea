"""The table of token sources: where an identity token comes from, in the order in which the sources are tried.

A token that was given (flag, variable, file); the issuer on this machine; the platform that gitsign.tokenProvider names
or the environment shows; a remembered sign-in; a person, who signs in. Everything that orders the sources, or asks
which one it will be, reads :data:`TOKEN_SOURCES`. Asking costs no network, and loads no library of a single source.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gitsign_py.clients.ambient import NAMES, ambient_token, detect
from gitsign_py.clients.urls import is_loopback
from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.host.tokens import static_source

if TYPE_CHECKING:
    from gitsign_py.clients.session import HttpSession
    from gitsign_py.clients.signin import SignInSettings, SignInTools

PrepareSignIn = Callable[[], tuple["SignInSettings", "SignInTools"]]
"""The needs of a sign-in, made when one begins: it costs 10 ms."""


@frozen
class TokenRequest:
    """For whom a token is wanted, and what the settings say about it.

    ``provider`` is gitsign.tokenProvider (empty: choose), ``email`` the committer's, ``flag`` the value of ``--token``.
    """

    issuer: str
    client_id: str
    provider: str
    environment: Mapping[str, str]
    email: str = ""
    flag: str | None = None


@frozen
class TokenOrigin:
    """One source. ``here`` tells whether the request leads to it; ``fetch`` gives None when it has nothing after all.

    ``person`` marks a source that rests on a person's sign-in, ``handed`` one whose token the caller or the platform
    hands over, so that it is fetched where the caller's variables are.
    """

    name: str
    here: Callable[[TokenRequest], bool]
    fetch: Callable[[TokenRequest, "HttpSession", PrepareSignIn], IdentityToken | None]
    person: bool = False
    handed: bool = False


def _is_given(request: TokenRequest) -> bool:
    return static_source(request.flag, request.environment) is not None


def _given(request: TokenRequest, _session: "HttpSession", _prepare: PrepareSignIn) -> IdentityToken | None:
    source = static_source(request.flag, request.environment)
    return None if source is None else source.token()


def _is_local(request: TokenRequest) -> bool:
    """A loopback issuer hands out tokens for the asking; a person who wants its login page names a provider."""
    return not request.provider and is_loopback(request.issuer)


def _local(request: TokenRequest, session: "HttpSession", _prepare: PrepareSignIn) -> IdentityToken:
    from gitsign_py.clients.oidc_static import StackTokenSource  # noqa: PLC0415 - requests, where a token is fetched

    return StackTokenSource(session, request.issuer, request.email, request.client_id).token()


def platform_of(request: TokenRequest) -> str:
    """Name the platform that gives the token: the one that the settings name, else the one that is here, else none."""
    if request.provider:
        return request.provider if request.provider in NAMES else ""
    found = detect(request.environment)
    return found.name if found else ""


def _platform(request: TokenRequest, session: "HttpSession", _prepare: PrepareSignIn) -> IdentityToken:
    return ambient_token(platform_of(request), request.environment, audience=request.client_id, http=session)


def _remembered(_request: TokenRequest, _session: "HttpSession", prepare: PrepareSignIn) -> IdentityToken | None:
    from gitsign_py.clients.signin import remembered_token  # noqa: PLC0415 - 10 ms, where a person's sign-in counts

    return remembered_token(*prepare())


def _person(_request: TokenRequest, _session: "HttpSession", prepare: PrepareSignIn) -> IdentityToken:
    from gitsign_py.clients.signin import sign_in  # noqa: PLC0415 - 10 ms, where a person signs in

    return sign_in(*prepare()).identity


GIVEN = TokenOrigin("given", _is_given, _given, handed=True)
LOCAL_ISSUER = TokenOrigin("local-issuer", _is_local, _local)
PLATFORM = TokenOrigin("platform", lambda request: bool(platform_of(request)), _platform, handed=True)
REMEMBERED = TokenOrigin("remembered", lambda _request: True, _remembered, person=True)
PERSON = TokenOrigin("person", lambda _request: True, _person, person=True)

TOKEN_SOURCES = (GIVEN, LOCAL_ISSUER, PLATFORM, REMEMBERED, PERSON)


def sources_here(request: TokenRequest) -> Iterator[TokenOrigin]:
    """Give the sources that the request leads to, in the order in which they are tried."""
    return (source for source in TOKEN_SOURCES if source.here(request))


def first_source(request: TokenRequest) -> TokenOrigin:
    """Give the source that is tried first."""
    return next(sources_here(request))


def obtain_token(request: TokenRequest, session: "HttpSession", prepare: PrepareSignIn) -> IdentityToken:
    """Return the token of the first source that gives one.

    Raises ConfigError (a setting, no way to sign in here), ServiceError (issuer, time-out, refusal), FormatError or
    VerificationError (the token is not what was asked for).
    """
    tokens = (source.fetch(request, session, prepare) for source in sources_here(request))
    return next(token for token in tokens if token is not None)  # the last, a person, gives one or raises
