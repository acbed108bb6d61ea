"""The services of a stack. A new service is a field and two lines here."""

from dataclasses import dataclass

from gitsign_py.localstack.context import Context
from gitsign_py.localstack.ctlog import log as ctlog
from gitsign_py.localstack.fulcio import ca
from gitsign_py.localstack.idp import issuer as idp
from gitsign_py.localstack.idp import login
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


def parts(context: Context, rekor2_key: str = "ed25519") -> Parts:
    """Every service, over one context; the first call makes the keys that are missing, Rekor v2's of this kind."""
    issuer = idp.Issuer(context)
    certificates_log = ctlog.CtLog(context)
    return Parts(
        issuer,
        ca.Fulcio(context, issuer, certificates_log),
        certificates_log,
        rekor1.Rekor(context),
        rekor2.RekorTiles(context, kind=rekor2_key),
        tsa.TimestampAuthority(context),
        tufrepo.TufRepository(context),
    )


def services_of(made: Parts) -> tuple[Service, ...]:
    """The services with their routes."""
    return (
        idp.service(made.issuer, login.login_routes(made.issuer)),
        ca.service(made.fulcio),
        ctlog.service(made.ctlog),
        rekor1.service(made.rekor1),
        rekor2.service(made.rekor2),
        tsa.service(made.tsa),
        tufrepo.service(made.tuf),
    )


def services(context: Context, rekor2_key: str = "ed25519") -> tuple[Service, ...]:
    """The services over a context; ``rekor2_key`` as in ``parts``."""
    return services_of(parts(context, rekor2_key))
