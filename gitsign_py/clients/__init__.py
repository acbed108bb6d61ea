"""The services that signing needs, over HTTP. Nothing is believed here; signing and verification check the answers.

Each client takes an ``HttpSession``, which bounds the time and the size of every exchange.
"""

from gitsign_py.core.exports import exported

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from gitsign_py.clients.fulcio import FulcioClient
    from gitsign_py.clients.oidc_static import StackTokenSource
    from gitsign_py.clients.rekor import RekorClient
    from gitsign_py.clients.rekor_v2 import RekorV2Client
    from gitsign_py.clients.session import HttpSession, Limits
    from gitsign_py.clients.tsa import TsaClient
else:
    __getattr__ = exported(
        __name__,
        {
            "FulcioClient": "clients.fulcio",
            "HttpSession": "clients.session",
            "Limits": "clients.session",
            "RekorClient": "clients.rekor",
            "RekorV2Client": "clients.rekor_v2",
            "StackTokenSource": "clients.oidc_static",
            "TsaClient": "clients.tsa",
        },
    )

__all__ = [
    "FulcioClient",
    "HttpSession",
    "Limits",
    "RekorClient",
    "RekorV2Client",
    "StackTokenSource",
    "TsaClient",
]
