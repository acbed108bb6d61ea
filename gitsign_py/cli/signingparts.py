"""The parts of a signature and of a sign-in: clients, ports and options, each made from the configuration.

Factories import what they build, as in cli/wiring.py.
"""

import os
from typing import TYPE_CHECKING

from gitsign_py.cli import instance, wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitsign_py.clients.fulcio import KnownConfigurations
    from gitsign_py.clients.session import HttpSession
    from gitsign_py.clients.signin import SignInSettings, SignInTools
    from gitsign_py.core.trust.root import TrustedRoot
    from gitsign_py.host.consent import Dialogue
    from gitsign_py.ports import CertificateAuthority, TimestampAuthority, TokenSource, TransparencyLog
    from gitsign_py.signing.flow import SigningOptions, SigningServices
    from gitsign_py.signing.wanted import WantedSigner
    from gitsign_py.verification.renewal import Renew


def certificate_authority(
    http: "HttpSession", chosen: instance.Endpoints, known: "KnownConfigurations | None" = None
) -> "CertificateAuthority":
    """Make the client for Fulcio."""
    from gitsign_py.clients.fulcio import FulcioClient

    return FulcioClient(http, chosen.fulcio, known)


def transparency_log(http: "HttpSession", chosen: instance.Endpoints, root: "TrustedRoot") -> "TransparencyLog | None":
    """Make the client for the log, version 1 or 2; None on an instance without one."""
    if not chosen.rekor:
        return None
    if chosen.rekor_version == 2:
        from gitsign_py.clients.rekor_v2 import RekorV2Client

        return RekorV2Client(http, chosen.rekor, logs=root.tlogs)
    from gitsign_py.clients.rekor import RekorClient

    return RekorClient(http, chosen.rekor)


def timestamp_authority(http: "HttpSession", chosen: instance.Endpoints) -> "TimestampAuthority | None":
    """Make the client for the timestamp server, None when there is none to ask."""
    if not chosen.timestamps:
        return None
    from gitsign_py.clients.tsa import TsaClient

    return TsaClient(http, chosen.timestamps)


def signing_services(
    http: "HttpSession",
    chosen: instance.Endpoints,
    root: "TrustedRoot",
    tokens: "TokenSource",
    renew: "Renew | None" = None,
    *,
    known: "KnownConfigurations | None" = None,
) -> "SigningServices":
    """Put the ports of the signing flow together, of one instance: see check_instance."""
    from gitsign_py.signing.flow import SigningServices

    instance.check_instance(http, chosen, root, renew)
    return SigningServices(
        tokens=tokens,
        authority=certificate_authority(http, chosen, known),
        log=transparency_log(http, chosen, root),
        clock=wiring.SystemClock(),
        random=os.urandom,
        timestamps=timestamp_authority(http, chosen),
    )


def signing_options(
    settings: wiring.Settings,
    chosen: instance.Endpoints,
    root: "TrustedRoot",
    renew: "Renew | None" = None,
    wanted: "WantedSigner | None" = None,
    *,
    agree: "Callable[[str, str], None] | None" = None,
) -> "SigningOptions":
    """Say how to sign. The committer is compared by consent, which knows more than equal or not."""
    from gitsign_py.signing.credential import CredentialRequest
    from gitsign_py.signing.flow import SigningOptions
    from gitsign_py.signing.wanted import WantedSigner

    signer = wanted or WantedSigner()
    audience = settings.config.sign_in.client_id
    request = CredentialRequest(trusted_root=root, audience=audience, renew=renew, wanted=signer, agree=agree)
    return SigningOptions(
        request=request,
        mode=settings.config.services.rekor_mode,
        rekor_version=2 if chosen.rekor_version == 2 else 1,
        witnesses=wiring.witness_policy(settings),
    )


def sign_in_settings(
    settings: wiring.Settings, chosen: instance.Endpoints, *, email: str = "", remember: bool = False
) -> "SignInSettings":
    """Translate the settings of the sign-in. The issuer's page offers ``email`` (OpenID Connect Core 3.1.2.1)."""
    from gitsign_py.clients.oidc_browser import BrowserSettings
    from gitsign_py.clients.signin import SignInSettings

    sign_in = settings.config.sign_in
    browser = BrowserSettings(
        redirect_url=sign_in.redirect_url,
        connector_id=sign_in.connector_id,
        login_hint=email,
        url_opener=sign_in.url_opener,
        close_after=sign_in.autoclose_timeout if sign_in.autoclose else None,
        remember=remember,
        timeout=sign_in.sign_in_timeout,
    )
    return SignInSettings(
        issuer=chosen.issuer,
        client_id=sign_in.client_id,
        client_secret_file=str(sign_in.client_secret_file or ""),
        provider=sign_in.token_provider,
        browser=browser,
    )


def sign_in_tools(settings: wiring.Settings, http: "HttpSession", dialogue: "Dialogue") -> "SignInTools":
    """Put together what a sign-in works with."""
    from gitsign_py.cli.signindialogue import SignInDialogue
    from gitsign_py.clients.signin import SignInTools
    from gitsign_py.host.keystore import KeyringStore

    book, shown = wiring.login_book(), SignInDialogue(dialogue)
    warned = book.path.with_name("keyring-warning")
    return SignInTools(http, shown, settings.environment, KeyringStore(), book, wiring.now, warned, shown.is_seen)
