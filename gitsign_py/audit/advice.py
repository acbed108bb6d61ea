"""The advice for each cause of a refusal, in words that hold for all commits of the cause.

docs/reasons.md explains every code; here are those that a history shows most often.
"""

import shlex
from collections.abc import Mapping
from typing import NamedTuple

from gitsign_py.verification.verdict import LACKING


class Advice(NamedTuple):
    """``words`` say what is wrong, ``todo`` what to do: ``{what}`` is a key or identity, ``{example}`` a commit,
    ``{signer}`` the line that allows the identity by its issuer, ``{place}`` the commit and the ref where it was
    judged, ``{explain}`` the command that explains the verdict.
    """

    words: str
    todo: str

    def todo_for(self, what: str, example: str, issuer: str = "", place: str = "", explain: str = "") -> str:
        """The advice for the key or identity that is named most often, quoted for a shell."""
        if "{what}" in self.todo and not what:
            return f"gitsign-py show {example}"
        signer = _allowing(what, issuer)
        named = {"what": shlex.quote(what), "example": example, "signer": signer, "place": place}
        return self.todo.format(**named, explain=f"{explain} {place}")


def _allowing(identity: str, issuer: str) -> str:
    """The line for this very signer. A name with a ``*`` would be a pattern, which allows others (allowed.py)."""
    line = f"{identity} {issuer}"
    is_exact = issuer != "" and "*" not in line and len(line.split()) == 2
    return shlex.quote(line) if is_exact else "'IDENTITY ISSUER'"


_EXPLAIN = "an administrator of the policy decides: {explain}"
_DISTRUST = "do not build on these: gitsign-py verify -v --any-identity {example} shows what fails"
_FETCH = "git fetch --unshallow, or in a partial clone git fetch --refetch --no-filter"
_NOTES = "git fetch origin refs/notes/gitsign:refs/notes/gitsign"
_LOG = "run again with a network, or " + _NOTES
_ROOT_OR_GPGSM = (
    "give the trust root that knows it: --trusted-root FILE, or gitsign-py initialize; for S/MIME have gpgsm trust it "
    "(trustlist.txt)"
)
_ROOT = "give the trust root that knows it: --trusted-root FILE, or gitsign-py initialize"
_NEWER = "a later gitsign-py may know it; until then an administrator may exempt {example} by its id"
_ODD = "git cat-file -p {example} shows it; have it signed again, or an administrator exempts it by its id"

_KNOWN: Mapping[str, Advice] = {
    "unsigned": Advice(
        "no signature",
        "sign from now on (gitsign-py setup --sign-all); for what is old pin an introduction, or exempt it by id",
    ),
    "key-missing": Advice("the signing key is not in the keyring", "gpg --recv-keys {what}"),
    "key-expired": Advice("the key has expired, and nothing proves when it signed", "gpg --refresh-keys {what}"),
    "key-revoked": Advice("the key was revoked", _DISTRUST),
    "program-missing": Advice(
        "the program for this kind of signature is not installed", "install gpg, ssh-keygen or gpgsm, and run again"
    ),
    "signature-unread": Advice("git cannot read the signature", _ODD),
    "signature-other-hash": Advice("the signature is for the other hash algorithm", _ODD),
    "signature-prerelease": Advice(
        "a pre-release of gitsign made the signature, and no program can check it",
        "have it signed again; for what is old pin an introduction, or an administrator exempts {example} by its id",
    ),
    "object-unreadable": Advice("git cannot read the object", "git fsck --full names what is damaged"),
    "format-unknown": Advice("the signature is of an unknown format", _ODD),
    "signer-unknown": Advice(
        "the policy does not name the signer",
        "if {what} belongs here, an administrator adds it to the policy ([people], [keys]; a forge's key in [forges])",
    ),
    "signer-not-allowed": Advice(
        "the signer is not an allowed one",
        "if {what} belongs here: git config --add gitsign.allowedSigner {signer}",
    ),
    "rule-refuses": Advice("a rule does not let the signer do this here", _EXPLAIN),
    "rule-missing": Advice("no rule of the policy covers this", _EXPLAIN),
    "policy-change": Advice("somebody who is no administrator changed the policy", _EXPLAIN),
    "committer-mismatch": Advice(
        "the committer is not the signer", "if it is their address, add it to the signer's emails in the policy"
    ),
    "author-mismatch": Advice(
        "the author is not the signer", "if it is their address, add it to the signer's emails in the policy"
    ),
    "certificate-untrusted": Advice("the trust root does not have the signer's CA, nor does gpgsm", _ROOT_OR_GPGSM),
    "log-unknown": Advice("the trust root does not have the log", _ROOT),
    "sct-log-unknown": Advice("the trust root does not have the CT log", _ROOT),
    "timestamp-authority-untrusted": Advice("the trust root does not have the timestamp authority", _ROOT),
    "trust-root-missing": Advice("there is no trust root", _ROOT),
    "log-entry-not-embedded": Advice("the log entry is not in the signature, and was not found", _LOG),
    "log-unreachable": Advice(
        "the log cannot be reached", "run again when it answers (gitsign-py doctor looks at it), or " + _NOTES
    ),
    "log-entry-not-found": Advice(
        "the log has no entry for the signature",
        _NOTES + " may bring it; else have it signed again, or an administrator exempts {example} by its id",
    ),
    "object-missing": Advice("an object is not in this clone", _FETCH),
    "history-incomplete": Advice("the history is not all here", _FETCH),
    "introduction-missing": Advice("the introduction is not in this clone", _FETCH),
    "approvals-missing": Advice(
        "the rule wants more approvals than are here",
        "git fetch origin 'refs/attestations/*:refs/attestations/*'; else others approve: gitsign-py approve {place}",
    ),
    "forge-head-missing": Advice(
        "no head of a pull request that is here gives this tree",
        "fetch the heads, or notes of them: git fetch origin 'refs/notes/*:refs/notes/*' "
        "'refs/pull/*/head:refs/pull/*/head' (GitLab: refs/merge-requests/)",
    ),
    "content-digest-mismatch": Advice("the signed content was changed", _DISTRUST),
}
_SMIME: Mapping[str, Advice] = {
    "signer-not-allowed": Advice(
        "the signer is not an allowed one",
        "if {what} belongs here: gitsign.allowedSigner cannot list S/MIME certificates, a policy can ([keys])",
    ),
}
_BY_WHAT_LACKS: Mapping[str, Advice] = {
    "the trust root": Advice("", _ROOT),
    "the log's word": Advice("", _LOG),
    "a form that it knows": Advice("", _NEWER),
}
"""By the words of ``LACKING``, for the codes that have no line above."""
_BY_VERDICT: Mapping[str, Advice] = {
    "unauthorised": Advice("", _EXPLAIN),
    "identity-mismatch": Advice("", _EXPLAIN),
    "bad": Advice("", _DISTRUST),
    "malformed": Advice("", "git fsck names the object; an administrator may exempt {example} by its id"),
    "unchecked": Advice("", "gitsign-py verify -v --any-identity {example} shows what is missing"),
}


def advice_of(verdict: str, reason: str, form: str = "") -> Advice:
    """The advice for a reason, by the signature's ``form``, else for what lacks or the verdict, whose commits have
    words of their own.
    """
    by_form = _SMIME.get(reason) if form == "x509" else None
    general = _BY_WHAT_LACKS.get(LACKING.get(reason, "")) or _BY_VERDICT.get(verdict)
    return by_form or _KNOWN.get(reason) or general or Advice("", "{explain}")
