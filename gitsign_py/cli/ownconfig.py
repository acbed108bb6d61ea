"""The sources of a verdict that a repository's own configuration named: named, with where it stands and a digest.

The maker of the repository may have written that configuration, so a verdict by it is worth what the reader thinks of
them. ``--isolated`` (GITSIGN_ISOLATED) lets nothing of it count.
"""

import sys

from gitsign_py.cli import wiring
from gitsign_py.core.printing import printable
from gitsign_py.host.config import show
from gitsign_py.host.settings import SETTINGS

TYPE_CHECKING = False  # typing costs 10 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

TRUST = ("trusted_root", "instance", "fulcio_root", "timestamp_cert_chain")
REQUIRED = ("require_timestamp", "witness_policy")
IN_HISTORY = ("policy_mode", "introduction", "protected_ref")
BY_POLICY = ("policy_mode", "policy")
BY_LIST = (*BY_POLICY, "allowed_signers")
"""An empty policy, and another mode, switch off what the person's own configuration says of them."""
_BY_FIELD = {setting.field: setting for setting in SETTINGS}


def add_isolated(parser: "argparse._ActionsContainer") -> None:
    """Add ``--isolated`` to a command's parser, or to a group of its options."""
    parser.add_argument("--isolated", action="store_true", help="ignore the repository's own configuration")


def said_by_repository(
    settings: wiring.Settings, fields: "Iterable[str]", digests: "Mapping[str, str] | None" = None
) -> tuple[str, ...]:
    """A line for each of ``fields`` (of Config) that the repository's own configuration has set.

    ``digests`` are those of what they name, by field, in hex.
    """
    lines = []
    for field in fields:
        source = settings.config.source(field)
        if not source.of_repository:
            continue
        digest = (digests or {}).get(field, "")
        value = show(_BY_FIELD[field], settings.config.value(field)) or "(nothing)"
        lines.append(
            f"{source.name} = {value}{f' (sha256 {digest})' if digest else ''} "
            f"is said by this repository's own configuration ({source.place}); --isolated leaves it out"
        )
    return tuple(lines)


def trust_said_by_repository(settings: wiring.Settings, digest: str, *, option: str | None = None) -> tuple[str, ...]:
    """The same for the trust root, of this ``digest``, and what signatures must have; none for a root by ``option``."""
    fields = REQUIRED if option is not None else (*TRUST, *REQUIRED)
    return said_by_repository(settings, fields, dict.fromkeys(TRUST, digest))


def said_of_log(settings: wiring.Settings) -> tuple[str, ...]:
    """The log that is asked for entries. What it answers is checked; that it has none leaves a signature unchecked."""
    return said_by_repository(settings, ("rekor_url",))


def said_for_git(settings: wiring.Settings, digest: str) -> tuple[str, ...]:
    """The lines of a verdict for git, by the trust root of this ``digest`` and by what says who may sign."""
    signers = settings.config.signers
    fields = IN_HISTORY if signers.in_history else BY_POLICY if signers.policy else BY_LIST
    lines = (*trust_said_by_repository(settings, digest), *said_by_repository(settings, fields))
    return tuple(map(printable, lines))


def tell(lines: "Iterable[str]") -> None:
    """Say so on stderr."""
    for line in lines:
        print(f"gitsign-py: {printable(line)}", file=sys.stderr)
