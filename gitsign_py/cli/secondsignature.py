"""The second signature of an object in a repository of two hash algorithms: it must be good, and the same person's."""

from gitsign_py.core.git.gitobject import SignedObject
from gitsign_py.core.git.othernames import named, other_payload
from gitsign_py.errors import GitsignError, VerificationError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import other_names
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.steps import Report
from gitsign_py.verification.verdict import verdict_of
from gitsign_py.verification.verifier import Verifier


def check_second(
    signed: SignedObject, oid: str, repository: GitRepository, verifier: Verifier, first: VerifiedSignature
) -> None:
    """Verify it, where there is one. Raises VerificationError ``signature-second-wrong``, UncheckedError
    ``signature-second-unchecked`` or what the verifier lacks.
    """
    if signed.other_signature is None:
        return
    names = other_names(repository.run, (oid, *named(signed)))
    payload = other_payload(signed, names)
    try:
        second = verifier.verify(payload, signed.other_signature, object_id=names.get(oid, ""), report=Report())
    except GitsignError as error:
        if verdict_of(error) != "bad":
            raise
        raise _wrong(f"it is not good: {error.message}", error) from error
    if (second.identity, second.san_type, second.issuer) != (first.identity, first.san_type, first.issuer):
        raise _wrong(f"it is by {second.named}, the first one by {first.named}")


def _wrong(why: str, error: GitsignError | None = None) -> VerificationError:
    return VerificationError(
        "signature-second-wrong",
        f"the second signature, over the object as the other hash algorithm names it, is wrong: {why}",
        hint="do not trust it; the signer's own object has another id",
        facts={"cause": error.reason} if error is not None else {},
    )
