"""The pages about logs as routes of a server: for ``log serve``, and for the front page of a local stack."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

from gitsign_py.cli import wiring
from gitsign_py.cli.commands.logsearch import commit_digests
from gitsign_py.cli.logs import LogPlace, open_now, source_of
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.trustroot import read_bounded
from gitsign_py.core.trust.root import TrustedRoot, parse_trusted_root
from gitsign_py.host.network import Network
from gitsign_py.localstack.placement import reach
from gitsign_py.localstack.process import StackInfo
from gitsign_py.localstack.service import Refusal, Request, Response, Route, Service
from gitsign_py.monitor.pages.desk import Desk, Shelf
from gitsign_py.monitor.pages.markup import headers, page, text
from gitsign_py.monitor.replicasource import open_replicas

PATHS = ("/", "/log/search", "/log/entry", "/log/people")
NAME = "pages"


def service(desk: Desk) -> Service:
    """The routes; they are read alone, and every error is a page."""

    def handler(request: Request) -> Response:
        made = desk.answer(request.path, request.query)
        return Response(made.status, made.body.encode(), "text/html; charset=utf-8", headers())

    return Service(NAME, tuple(Route("GET", path, handler) for path in PATHS), _errors)


def _errors(refusal: Refusal) -> Response:
    made = page("That did not work", f"<p>{text(refusal.message)}</p>", status=refusal.status)
    both = {**headers(), **refusal.headers}
    return Response(made.status, made.body.encode(), "text/html; charset=utf-8", both)


def replay(settings: wiring.Settings) -> Callable[[str], tuple[str, ...]] | None:
    """Find commits of the repository that the program was started in; None where there is none."""
    try:
        with wiring.repository(settings):
            return lambda oid: commit_digests(settings, oid)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, there is no repository to look into
        return None


@contextmanager
def of_replicas(folder: Path, root: TrustedRoot) -> Iterator[Shelf]:
    """The replicas in a folder, as they are now."""
    yield Shelf(open_replicas(folder, root), root)


@contextmanager
def of_logs(places: tuple[LogPlace, ...], connect: Callable[[], HttpSession], root: TrustedRoot) -> Iterator[Shelf]:
    """Logs over the network, through connections of this request alone."""
    with connect() as session:
        yield Shelf(tuple(source_of(place, session, root) for place in places), root)


def _own_door() -> HttpSession:
    """Connections to this machine alone: no proxy of the environment has a say."""
    return HttpSession(network=Network({}))


class StackPages:
    """The front page of a stack, and its logs as its clients see them: through its own door, by its trust root."""

    def __init__(self) -> None:
        self._info: StackInfo | None = None
        self.service = service(Desk(self._shelf, wiring.now, front=self._front))

    def begin(self, info: StackInfo) -> None:
        """Say where the stack listens, which is known once it does."""
        self._info = info

    @contextmanager
    def _shelf(self) -> Iterator[Shelf]:
        info = self._stack()
        root = parse_trusted_root(read_bounded(str(info.trusted_root), "the stack's trust root"))
        url = f"http://{reach(info.host)}:{info.port}"
        places = [LogPlace("rekor1", url)] if "rekor1" in info.services else []
        places += [LogPlace("rekor2", url)] if "rekor2" in info.services else []
        places += [LogPlace("ct", url)] if "ctlog" in info.services and open_now(root.ctlogs) else []
        with of_logs(tuple(places), _own_door, root) as shelf:
            yield shelf

    def _front(self) -> str:
        info = self._stack()
        names = ", ".join(info.services)
        return f"<p>A local Sigstore at <code>{escape(info.url)}</code>: {escape(names)}.</p>\n"

    def _stack(self) -> StackInfo:
        if self._info is None:
            raise Refusal(503, "the stack is starting")
        return self._info
