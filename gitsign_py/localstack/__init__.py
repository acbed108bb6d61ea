"""A private Sigstore in one process, on one loopback port, in one directory.

``Stack`` is an identity provider, Fulcio, a CT log, Rekor versions 1 and 2, a timestamp authority and a TUF repository
over what clients must trust. It needs the extra ``gitsign-py[local]``.

Tests of other projects take ``local_sigstore``, or the fixtures of the pytest plugin that comes with the package
(docs/local-sigstore.md). ``Stack`` is the server below it, and blocks in ``serve``.
"""

from gitsign_py.core.exports import exported

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    from gitsign_py.localstack.context import Hook
    from gitsign_py.localstack.embedded import LocalSigstore, local_sigstore
    from gitsign_py.localstack.faults import Fault, Faults, parse_fault
    from gitsign_py.localstack.process import StackInfo, running
    from gitsign_py.localstack.stack import Stack
else:
    __getattr__ = exported(
        __name__,
        {
            "Fault": "localstack.faults",
            "Faults": "localstack.faults",
            "Hook": "localstack.context",
            "LocalSigstore": "localstack.embedded",
            "Stack": "localstack.stack",
            "StackInfo": "localstack.process",
            "local_sigstore": "localstack.embedded",
            "parse_fault": "localstack.faults",
            "running": "localstack.process",
        },
    )

__all__ = [
    "Fault",
    "Faults",
    "Hook",
    "LocalSigstore",
    "Stack",
    "StackInfo",
    "local_sigstore",
    "parse_fault",
    "running",
]
