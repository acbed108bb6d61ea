"""The list of services of a stack. A new service is a line here."""

from gitsign_py.localstack import ca, ctlog, idp, login, rekor1
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.service import Service


def services(context: Context) -> tuple[Service, ...]:
    """Every service, over one context; the first call makes the keys that are missing."""
    issuer = idp.Issuer(context)
    certificates_log = ctlog.CtLog(context)
    return (
        idp.service(issuer, login.login_routes(issuer)),
        ca.service(ca.Fulcio(context, issuer, certificates_log)),
        ctlog.service(certificates_log),
        rekor1.service(rekor1.Rekor(context)),
    )
