"""The questions to a policy, and its answers.

``SignatureFacts`` are the few facts of a signature that has been verified (or not) that a policy looks at; they are
plain strings and times, so that they can be cached, sent between processes and written in a test case.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from gitsign_py.core.frozen import field, frozen
from gitsign_py.core.pki.namekind import NameKind
from gitsign_py.policy.model import TimeSource

SignatureStatus = Literal["good", "bad", "unsigned", "unchecked", "malformed"]
SignatureForm = Literal["sigstore", "x509", "openpgp", "ssh", "unknown", ""]
Verdict = Literal[
    "verified",
    "good",
    "unauthorised",
    "identity-mismatch",
    "bad",
    "unsigned",
    "unchecked",
    "exempt",
    "forge-merge",
    "forge-squash",
    "forge-rebase",
    "malformed",
]
"""The verdict on one commit or tag; ``Decision.accepted`` tells which verdicts let it stay.

``good`` is a good signature where nothing says who may sign: no policy gives it.
"""
VERDICTS: tuple[Verdict, ...] = (
    "verified",
    "good",
    "exempt",
    "forge-merge",
    "forge-squash",
    "forge-rebase",
    "unauthorised",
    "identity-mismatch",
    "bad",
    "unsigned",
    "malformed",
    "unchecked",
)
"""All verdicts, in the order of the reports."""
ACCEPTED: frozenset[Verdict] = frozenset({"verified", "good", "exempt", "forge-merge", "forge-squash", "forge-rebase"})


@frozen
class SignatureFacts:
    """One object's signature as the verifier left it.

    ``status`` good means that every cryptographic step passed. ``key`` is the fingerprint for OpenPGP (upper-case hex,
    of the primary key; ``subkey`` is the one that signed, where it is another) and SSH (``SHA256:...``). ``san_type``
    is the kind of name that ``identity`` is; without it no policy knows the identity. ``times`` are proven by ``log``
    or ``timestamp``; keys have none. ``steps`` are the numbers of the steps that passed, ``reason`` and ``message`` say
    why the status is not good. ``claimed`` is the name or key that a signature gives which is not good: unproven.
    """

    status: SignatureStatus
    form: SignatureForm = ""
    identity: str = ""
    issuer: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    times: tuple[tuple[TimeSource, datetime], ...] = ()
    key: str = ""
    log_index: int | None = None
    steps: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""
    subkey: str = ""
    san_type: NameKind | Literal[""] = ""
    claimed: str = ""

    @property
    def time(self) -> tuple[TimeSource, datetime] | None:
        """The earliest proven time and where it comes from."""
        return min(self.times, key=lambda proven: proven[1]) if self.times else None


@frozen
class Pusher:
    """The person who brings a commit, as a server knows it: ``login`` is its name for them, ``signature`` that of the
    push.

    ``at`` is the server's own clock when it knew them by that name, which proves no time itself. ``judged`` says that a
    hook asked when the push came, for an audit of what is there already.
    """

    login: str = ""
    signature: SignatureFacts | None = None
    judged: bool = False
    at: datetime | None = None


UNSIGNED = SignatureFacts("unsigned", reason="unsigned", message="commit has no signature")
"""The facts of a commit that nobody signed."""
UNSIGNED_TAG = SignatureFacts("unsigned", reason="unsigned", message="tag has no signature")


@frozen
class CommitFacts:
    """The fields that a policy reads of a commit or an annotated tag: e-mails are raw text, ``tree`` is empty for a
    tag.

    For a tag ``author_email`` and ``committer_email`` are both the tagger's, ``parents`` is empty, and ``name`` is what
    a signed one calls itself.
    """

    oid: str
    author_email: str
    committer_email: str
    parents: tuple[str, ...] = ()
    tree: str = ""
    kind: Literal["commit", "tag"] = "commit"
    name: str = ""


@frozen
class Decision:
    """A verdict: ``reason`` is a stable code, ``message`` one line, ``rule`` what decided, ``principal`` who signed.

    ``evidence`` is the id of the commit that a forge's squash or rebase was made of.
    """

    verdict: Verdict
    reason: str
    message: str
    rule: str = ""
    principal: str = ""
    evidence: str = ""

    @property
    def accepted(self) -> bool:
        """Tell whether the commit may stay."""
        return self.verdict in ACCEPTED
