"""The signers that are known where no policy names them: gitsign.allowedSigner, and git's allowed signers file for SSH.

A good signature by anybody else is good, and no more: keys and certificates can be made by everybody.
"""

from collections.abc import Iterator, Mapping, Sequence

from gitsign_py.core.frozen import field, frozen
from gitsign_py.policy.facts import Decision, SignatureFacts
from gitsign_py.policy.signers import refused
from gitsign_py.policy.sshkey import ssh_fingerprint
from gitsign_py.verification.allowed import AllowedSigner, is_allowed

MAX_SIGNERS_BYTES = 1 << 20
_GOOD = Decision("good", "good", "signature is good; nothing says that this signer may sign here")
_NEVER = ("cert-authority", "valid-after=", "valid-before=")
"""ssh-keygen(1), ALLOWED SIGNERS: a CA is no key of a person's, and no time of a signature is proven."""


@frozen
class KnownSigners:
    """``allowed`` by certificate, ``ssh`` names by the fingerprints of their keys."""

    allowed: tuple[AllowedSigner, ...] = ()
    ssh: Mapping[str, str] = field(default_factory=dict)

    def decide(self, facts: SignatureFacts) -> Decision:
        """Judge the signer of a good signature. Where a list of certificates is, who is not on it is refused."""
        if facts.form == "ssh" and facts.key in self.ssh:
            name = self.ssh[facts.key]
            return Decision("verified", "verified", f"signed by {name}, an allowed SSH signer", principal=name)
        if facts.form not in ("sigstore", "x509") or not self.allowed:
            return _GOOD
        if facts.form == "sigstore" and is_allowed(facts.identity, facts.issuer, facts.san_type, self.allowed):
            return Decision("verified", "verified", f"signed by {facts.identity}, an allowed signer")
        return refused("signer-not-allowed", f"{facts.identity} of {facts.issuer} is not an allowed signer")


def ssh_signers(data: bytes) -> Mapping[str, str]:
    """Names by fingerprint out of an allowed signers file; lines that say more than a key and its name count for none.

    ``PRINCIPALS [OPTIONS] TYPE BASE64 [COMMENT]`` (ssh-keygen(1), ALLOWED SIGNERS).
    """
    return dict(found for line in data.decode("utf-8", "replace").split("\n") for found in _read(line.split()))


def _read(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(words) < 3 or words[0].startswith("#"):
        return
    has_options = not ssh_fingerprint(" ".join(words[1:3]))
    options = words[1].lower() if has_options else ""
    key = words[2:4] if has_options else words[1:3]
    named = 'namespaces="' not in options or '"git"' in options
    if named and not any(word in options for word in _NEVER) and (fingerprint := ssh_fingerprint(" ".join(key))):
        yield fingerprint, words[0]
