"""The page of one entry: who signed, every check that can be made on it, its certificate, and its way to the root."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from gitsign_py.core.encoding import format_rfc3339, pem_encode
from gitsign_py.core.frozen import frozen
from gitsign_py.core.pki.certificate import Certificate, parse_certificate, subject_alt_names
from gitsign_py.core.tlog.sct import Sct, embedded_scts, is_precertificate
from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError
from gitsign_py.monitor.decode import CERTIFICATE, SeenEntry, SeenSigner, decode
from gitsign_py.monitor.entrychecks import check_entry
from gitsign_py.monitor.lookup import ProvenEntry
from gitsign_py.monitor.pages.drawing import way_to_root, when
from gitsign_py.monitor.pages.markup import Cell, Markup, Page, code, counted, facts, name_of, page, table, text
from gitsign_py.verification.steps import Report, Step

_MOST_BODY, _MOST_ROWS = 64 * 1024, 50
_MARKS = {"passed": "passed", "failed": "FAILED", "unchecked": "not checked", "skipped": "left out"}


@frozen
class Checked:
    """The steps of docs/verification.md on an entry, and the first refusal."""

    steps: tuple[Step, ...]
    refusal: GitsignError | None


def checked(found: ProvenEntry, seen: SeenEntry, root: TrustedRoot, now: datetime) -> Checked:
    """Make the checks of ``log get``; an entry of a CT log has its proof alone."""
    if seen.kind == CERTIFICATE:
        return Checked((), None)
    report = Report()
    refusal = check_entry(report, found.as_log_entry(), seen, root, now=now)
    return Checked(tuple(report.steps), refusal)


def entry_page(found: ProvenEntry, root: TrustedRoot, now: datetime, *, asked: str = "") -> Page:
    """The whole page of a proven entry."""
    seen = decode(found.entry)
    outcome = checked(found, seen, root, now)
    parts = [_verdict(seen, outcome), _about(found, seen), _checks(found, outcome.steps)]
    parts += [_signer(one, number) for number, one in enumerate(seen.signers[:_MOST_ROWS], 1)]
    parts += ["<h2>The way to the root</h2>\n", way_to_root(found), _raw(found)]
    return page(f"Entry {found.entry.log_index} of {found.head.tree}", "".join(parts), asked=asked)


def _verdict(seen: SeenEntry, outcome: Checked) -> str:
    if outcome.refusal is not None:
        why = f"{outcome.refusal.message} [{outcome.refusal.reason}]"
        return f'<p class="verdict poor"><strong>Not verified.</strong> {text(why)}</p>\n'
    if seen.problem:
        return f'<p class="verdict poor"><strong>It cannot be read.</strong> {text(seen.problem)}</p>\n'
    if seen.kind == CERTIFICATE:
        words = "The CT log holds this certificate: it was issued. Whether it signed anything, a signature log says."
        return f'<p class="verdict"><strong>Included.</strong> {words}</p>\n'
    words = (
        "An entry holds a digest, and not what was signed: whose commit it is, <code>gitsign-py verify</code> says in "
        "the repository."
    )
    return f'<p class="verdict good"><strong>Every check that an entry allows has passed.</strong> {words}</p>\n'


def _about(found: ProvenEntry, seen: SeenEntry) -> str:
    entry, head = found.entry, found.head
    rows: list[tuple[str, Cell]] = [
        ("log", name_of(f"{head.tree} ({head.log.operator})" if head.log.operator else head.tree)),
        ("index", entry.log_index),
        ("index in its tree", entry.index if entry.index != entry.log_index else ""),
        ("kind", f"{seen.kind} {seen.version}".rstrip()),
        ("time that the log states", when(entry.time)),
        ("digest of what was signed", code(seen.digest) if seen.digest else ""),
        ("leaf hash", code(entry.leaf_hash.hex())),
        ("tree", counted(head.size)),
        ("root", code(head.root.hex())),
        ("cosigned by", ", ".join(name for name, _ in head.witnesses)),
    ]
    return facts("The entry", rows)


def _checks(found: ProvenEntry, steps: Sequence[Step]) -> str:
    """The steps under their numbers of docs/verification.md, after the proof itself."""
    proof: tuple[Cell, ...] = (
        "",
        "the tree holds the entry",
        _mark("passed"),
        f"{found.head.size} entries, by its proof",
    )
    rows = [proof, *((step.number, step.title, _mark(step.outcome), _why(step)) for step in steps)]
    return "<h2>Does it verify?</h2>\n" + table(
        "Checks, numbered as in docs/verification.md", ("step", "check", "outcome", "by what"), rows
    )


def _mark(outcome: str) -> Markup:
    return Markup(f'<span class="{outcome}">{_MARKS[outcome]}</span>')


def _why(step: Step) -> str:
    if step.outcome in ("failed", "unchecked"):
        return f"{step.message} [{step.reason}]"
    return step.message or ", ".join(f"{name} {value}" for name, value in step.facts.items() if value not in (None, ""))


def _signer(signer: SeenSigner, number: int) -> str:
    title = "Signer" if number == 1 else f"Signer {number}"
    if not signer.certificate:
        return f"<h2>{title}</h2>\n" + facts("A bare key, which no CA vouches for", [("key", code(signer.key))])
    rows: list[tuple[str, Cell]] = [
        ("identity", name_of(signer.identity) if signer.identity else "none that Fulcio writes"),
        ("kind of name", signer.san_type),
        ("vouched for by", name_of(signer.issuer) if signer.issuer else ""),
        *((name.replace("_", " "), name_of(value)) for name, value in signer.claims.items()),
    ]
    return f"<h2>{title}</h2>\n" + facts("The names in the certificate", rows) + _certificate(signer)


def _certificate(signer: SeenSigner) -> str:
    """What can be read of it, and what cannot."""
    rows: list[tuple[str, Cell]] = []
    try:
        rows.extend(_decoded(parse_certificate(signer.certificate)))
    except GitsignError as error:
        rows.append(("what is not as it should be", error.message))
    pem = text(pem_encode(signer.certificate, "CERTIFICATE").decode("ascii"), most=_MOST_BODY, keep="\n")
    return (
        "<h2>Certificate</h2>\n"
        + facts("Decoded", rows)
        + f'<details><summary>As PEM</summary><pre tabindex="0">{pem}</pre></details>\n'
    )


def _decoded(found: Certificate) -> Iterator[tuple[str, Cell]]:
    yield "serial number", code(f"{found.serial:x}")
    yield "valid from", format_rfc3339(found.not_before)
    yield "valid until", format_rfc3339(found.not_after)
    names = subject_alt_names(found)
    for name in names[:_MOST_ROWS]:
        yield f"alternative name ({name.kind})", name_of(name.value)
    if len(names) > _MOST_ROWS:
        yield "more names", str(len(names) - _MOST_ROWS)
    yield "public key", f"{found.public_key.kind}"
    yield "SHA-256 of the key", code(found.public_key.key_id.hex())
    yield "SHA-256 of the certificate", code(found.fingerprint)
    if is_precertificate(found):
        yield "kind", "precertificate: the log signed for it before the CA did"
        return
    for one in embedded_scts(found)[:_MOST_ROWS]:
        yield "logged in a CT log", _sct(one)


def _sct(one: Sct) -> Cell:
    return f"{when(one.timestamp_ms // 1000)}, log {one.log_id.hex()}"


def _raw(found: ProvenEntry) -> str:
    body = found.entry.leaf.decode("utf-8", "backslashreplace") if found.entry.ct is None else found.entry.leaf.hex()
    checkpoint = found.head.signed.decode("utf-8", "backslashreplace")
    return (
        "<h2>As the log gives it</h2>\n"
        f'<details><summary>The entry</summary><pre tabindex="0">{text(body, most=_MOST_BODY)}</pre></details>\n'
        '<details><summary>The signed tree head</summary><pre tabindex="0">'
        f"{text(checkpoint, keep=chr(10))}</pre></details>\n"
    )
