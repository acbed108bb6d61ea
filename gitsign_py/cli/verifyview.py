"""The view of ``verify`` for a person: a line for each commit or tag, the steps below what failed, and how many
verified.
"""

from collections.abc import Iterator, Sequence

from gitsign_py.cli.judgement import Judgement
from gitsign_py.cli.text import line_of
from gitsign_py.core.frozen import frozen
from gitsign_py.core.printing import printable
from gitsign_py.errors import GitsignError
from gitsign_py.verification.result import VerifiedSignature
from gitsign_py.verification.steps import Step
from gitsign_py.verification.verdict import verdict_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.verification.smime import VerifiedSmime

_MARKS = {"passed": "ok", "failed": "FAILED", "unchecked": "not checked", "skipped": "left out"}
_COLOURS = {"ok": "32", "good": "33", "REFUSED": "1;31", "unchecked": "33"}
_SHORTEST_ID = 7
_WIDEST_NAME = 40
_OTHER_FORMAT = "signature-format-unsupported"
_SAID_BY_ROW = ("unsigned", "signer-not-allowed", _OTHER_FORMAT)
"""Refusals of which the row says everything, or for which one line is enough for all (``_others``)."""


@frozen
class View:
    """How to show: ``trust`` says who says who may sign; ``width`` 0 cuts nothing; ``verbose`` shows every step."""

    trust: str
    is_anybody: bool = False
    width: int = 0
    colour: bool = False
    verbose: bool = False
    quiet: bool = False


def lines_of(judgements: Sequence[Judgement], view: View) -> Iterator[str]:
    """The whole text, line by line."""
    length = _id_length([judgement.revision.oid for judgement in judgements])
    names = [len(printable(judgement.verified.named)) for judgement in judgements if judgement.verified]
    name_width = min(max(names, default=0), _WIDEST_NAME)
    if not view.quiet:
        yield f"(trust: {view.trust})"
    for judgement in judgements:
        yield _row(judgement, view, length, name_width)
        if not view.quiet:
            yield from _details(judgement, view)
    if not view.quiet:
        yield from _others(judgements)
        yield _total(judgements, view)


def _row(judgement: Judgement, view: View, length: int, name_width: int) -> str:
    word = _word(judgement, view)
    head = f"{judgement.revision.oid[:length]} {word:<7}  "
    line = f"{head}{_told_of(judgement, name_width)}  {printable(judgement.subject)}".rstrip()
    if view.width and len(line) > view.width:
        line = line[: view.width - 1] + "…"
    return line.replace(f" {word}", f" {_coloured(word)}", 1) if view.colour else line


def _word(judgement: Judgement, view: View) -> str:
    if judgement.error is not None:
        return "REFUSED" if verdict_of(judgement.error) == "bad" else "unchecked"
    return "good" if view.is_anybody else "ok"


def _told_of(judgement: Judgement, name_width: int) -> str:
    if judgement.smime is not None:
        return printable(_told_smime(judgement.smime))
    return _told(judgement.verified, name_width) if judgement.verified else printable(_why(judgement))


def _told(verified: VerifiedSignature, name_width: int) -> str:
    told = f"{printable(verified.named):<{name_width}}  {verified.time:%Y-%m-%d %H:%M}"
    return told if verified.log is not None else f"{told}  (in no log)"


def _told_smime(verified: "VerifiedSmime") -> str:
    """Less is proven than of others, and every line says so."""
    time = f"{verified.times[0].time:%Y-%m-%d %H:%M}" if verified.times else "no time is proven"
    return f"{verified.signature.named}  (S/MIME by gpgsm, in no log, {time})"


def _why(judgement: Judgement) -> str:
    """The reason without the object's own name, which stands before it."""
    assert judgement.error is not None  # noqa: S101 - _row asks for refusals alone
    own = f"{judgement.revision.kind} {judgement.revision.oid} "
    return judgement.error.message.removeprefix(own).removeprefix("has ")


def _coloured(word: str) -> str:
    return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m"


def _details(judgement: Judgement, view: View) -> Iterator[str]:
    """All steps where somebody wants them, else those that failed; then what to do, where it is not plain."""
    if view.verbose:
        yield f"  {judgement.revision.kind} {judgement.revision.oid}"
    if view.verbose and judgement.verified is not None:
        yield f"  {printable(_proven(judgement.verified))}"
    if view.verbose and judgement.smime is not None:
        signature = judgement.smime.signature
        yield f"  {printable(f'issued by {signature.issuer}, certificate {signature.fingerprint}')}"
    failed = False
    for step in judgement.steps:
        is_failure = step.outcome in ("failed", "unchecked")
        failed = failed or is_failure
        if view.verbose or is_failure:
            yield f"  {step.number}  {_MARKS[step.outcome]:<11} {step_line(step, judgement.error)}"
    error = judgement.error
    if error is not None and not failed and (view.verbose or error.reason not in _SAID_BY_ROW):
        yield f"  {line_of(error)}"


def _proven(verified: VerifiedSignature) -> str:
    return (
        f"signed by {verified.named}, vouched for by {verified.issuer}, "
        f"at {verified.time:%Y-%m-%dT%H:%M:%SZ}, {verified.logged_at}"
    )


def step_line(step: Step, error: GitsignError | None = None) -> str:
    """The title of a step, and its facts or why it failed and what to do."""
    if step.outcome in ("failed", "unchecked"):
        is_the_error = error is not None and error.reason == step.reason
        why = line_of(error) if error is not None and is_the_error else printable(f"{step.message} [{step.reason}]")
        return f"{step.title}: {why}"
    facts = ", ".join(f"{name} {value}" for name, value in step.facts.items() if value not in (None, ""))
    return printable(f"{step.title}" + (f" ({facts or step.message})" if facts or step.message else ""))


def _total(judgements: Sequence[Judgement], view: View) -> str:
    """Verified is what somebody vouched for: a good signature by anybody at all is not."""
    good = sum(judgement.error is None for judgement in judgements)
    if view.is_anybody:
        signatures = "signature" if good == 1 else "signatures"
        return f"0 of {len(judgements)} verified: {good} good {signatures}, and nothing says who may sign."
    return f"{good} of {len(judgements)} verified."


def _others(judgements: Sequence[Judgement]) -> Iterator[str]:
    """What to do about signatures of other programs: a forge makes them by the hundred, with one advice."""
    found = [one.error for one in judgements if one.error is not None and one.error.reason == _OTHER_FORMAT]
    if found:
        yield f"{len(found)} signed in another format: {found[0].hint} [{_OTHER_FORMAT}]"


def _id_length(oids: Sequence[str]) -> int:
    """Seven digits, and more where two ids that are shown would look alike."""
    different = len(set(oids))
    lengths = range(_SHORTEST_ID, len(oids[0]))
    return next((length for length in lengths if len({oid[:length] for oid in oids}) == different), len(oids[0]))
