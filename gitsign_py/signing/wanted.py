"""The signer that git was told to sign as: user.signingkey, or ``git commit -S<id>``.

git passes on a text, and where nobody set one the committer's name and address. An identity is an e-mail address, a
URI, or either of them behind its issuer and a slash. Other texts are keys of other programs (an OpenPGP key id, the
file of an SSH key), left over from a time when those signed: they choose nobody here.
"""

from gitsign_py.core.frozen import frozen
from gitsign_py.core.pattern import pattern
from gitsign_py.core.pki.namekind import kind_said
from gitsign_py.core.sigstore.mapping import IssuerConfiguration, certificate_identities, may_become, may_vouch
from gitsign_py.core.sigstore.token import UnverifiedClaims
from gitsign_py.errors import PolicyError

_SSH_KEY = pattern(r"(?:key::|ssh-|ecdsa-|sk-)[^@]* ")
_ADDRESS = pattern(r"[^\s@/]+@[^\s@/]+\Z")
_ISSUER = pattern(r"https?://[^\s/]")


@frozen
class WantedSigner:
    """An identity that was asked for, as it was written; empty where any will do."""

    text: str = ""

    @property
    def address(self) -> str:
        """The e-mail address in it, to sign in with; empty without one."""
        last = self.text.rpartition("/")[2]
        return last if _ADDRESS.match(last) else ""

    def is_met_by(self, identity: str, issuer: str) -> bool:
        """Tell whether a certificate is this signer's."""
        return self.text in ("", identity, f"{issuer}/{identity}", f"{issuer.rstrip('/')}/{identity}")

    def may_be(self, claims: UnverifiedClaims, configuration: IssuerConfiguration | None = None) -> bool:
        """Tell whether a certificate for this token may be this signer's. A CA may map a subject in its own way."""
        if not self.text or _may_name(claims, self.text, configuration):
            return True
        slashes = [at for at, char in enumerate(self.text) if char == "/"]
        return any(may_vouch(claims, issuer, configuration) and _may_name(claims, self.text[at + 1 :], configuration)
                   for at in slashes for issuer in (self.text[:at], self.text[: at + 1]))  # fmt: skip

    def require(self, identity: str, issuer: str) -> None:
        """Refuse a certificate of somebody else. Raises PolicyError ``signer-unavailable``."""
        if not self.is_met_by(identity, issuer):
            raise unavailable(self, f"{identity} ({issuer})")


def _may_name(claims: UnverifiedClaims, name: str, configuration: IssuerConfiguration | None) -> bool:
    kind = kind_said(name) or ("other" if "!" in name else "")
    return may_become(claims, name, kind, configuration)


def check_possible(
    wanted: WantedSigner, claims: UnverifiedClaims, configuration: IssuerConfiguration | None = None
) -> None:
    """Refuse a token of somebody else, before anything is published. Raises PolicyError ``signer-unavailable``."""
    if not wanted.may_be(claims, configuration):
        raise unavailable(wanted, f"{certificate_identities(claims, configuration)[0]} ({claims.issuer})")


def check_address(wanted: WantedSigner, claims: UnverifiedClaims) -> None:
    """The same before a person is asked anything, as far as no CA's setting matters: no template makes an address."""
    if wanted.address:
        check_possible(wanted, claims)


def unavailable(wanted: WantedSigner, instead: str) -> PolicyError:
    """The refusal, by name."""
    return PolicyError(
        "signer-unavailable",
        f"nobody is signed in as {wanted.text}, whom user.signingkey or -S asks for; here it would be {instead}",
        hint="sign in as that identity (gitsign-py login), name another (git commit -S<identity>), or unset "
        "user.signingkey",
        facts={"expected": wanted.text, "got": instead},
    )


def wanted_signer(key: str, committer: tuple[str, str]) -> WantedSigner:
    """Read what git passed for ``-u``; ``committer`` is name and address of the payload."""
    text = key.strip()
    if (address := _address_of_person(text)) is not None:
        is_usual = not committer[1] or address in ("", committer[1])
        return WantedSigner("" if is_usual else address)
    if _SSH_KEY.match(text) or not (_ADDRESS.match(text) or "!" in text or _ISSUER.match(text) or "://" in text):
        return WantedSigner()
    return WantedSigner(text)


def _address_of_person(text: str) -> str | None:
    """The address in ``Name <address>``, what git_committer_info gives; None for another text."""
    name, opened, rest = text.partition("<")
    address, closed, after = rest.partition(">")
    return None if not opened or not closed or after or ">" in name or "<" in address else address
