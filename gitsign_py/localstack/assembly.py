"""The services of a stack. A new service is a field and two lines here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog import log as ctlog
from gitsign_py.localstack.fulcio import ca
from gitsign_py.localstack.fulcio.issuerkeys import IssuerKeys
from gitsign_py.localstack.fulcio.issuers import ForeignIssuer
from gitsign_py.localstack.idp import issuer as idp
from gitsign_py.localstack.idp import login
from gitsign_py.localstack.placement import SERVICES
from gitsign_py.localstack.rekor import rekor1, rekor2
from gitsign_py.localstack.service import Service
from gitsign_py.localstack.tsa import authority as tsa
from gitsign_py.localstack.tuf import tufrepo


@dataclass(frozen=True, slots=True)
class Parts:
    """Every service before its routes are asked for."""

    issuer: idp.Issuer
    fulcio: ca.Fulcio
    ctlog: ctlog.CtLog
    rekor1: rekor1.Rekor
    rekor2: rekor2.RekorTiles
    tsa: tsa.TimestampAuthority
    tuf: tufrepo.TufRepository


@dataclass(frozen=True, slots=True)
class Choices:
    """``rekor2_key`` is the kind of key that Rekor v2 gets when it has none yet (ed25519 or ecdsa-p256).

    ``issuers`` are those whose tokens Fulcio takes beside the stack's own, ``issuer_keys`` the JWKS files of those that
    are not asked for their keys; ``witnesses`` are asked to cosign the checkpoints of Rekor v2.
    """

    rekor2_key: str = "ed25519"
    issuers: tuple[ForeignIssuer, ...] = ()
    issuer_keys: Mapping[str, Path] = field(default_factory=dict)
    witnesses: WitnessPolicy | None = None


_USUAL = Choices()


def parts(context: Context, choices: Choices = _USUAL, chosen: Collection[str] = SERVICES) -> Parts:
    """Every service, over one context; the first call makes the keys that are missing."""
    issuer = idp.Issuer(context)
    certificates_log = ctlog.CtLog(context)
    own = issuer if idp.NAME in chosen else None
    keys = IssuerKeys(choices.issuer_keys)
    return Parts(
        issuer,
        ca.Fulcio(context, own, certificates_log, choices.issuers, keys),
        certificates_log,
        rekor1.Rekor(context),
        rekor2.RekorTiles(context, kind=choices.rekor2_key, witnesses=choices.witnesses),
        tsa.TimestampAuthority(context),
        tufrepo.TufRepository(context),
    )


def services_of(made: Parts, chosen: Collection[str] = SERVICES) -> tuple[Service, ...]:
    """The chosen services with their routes."""
    every = (
        idp.service(made.issuer, login.login_routes(made.issuer)),
        ca.service(made.fulcio),
        ctlog.service(made.ctlog),
        rekor1.service(made.rekor1),
        rekor2.service(made.rekor2),
        tsa.service(made.tsa),
        tufrepo.service(made.tuf),
    )
    return tuple(service for service in every if service.name in chosen)
