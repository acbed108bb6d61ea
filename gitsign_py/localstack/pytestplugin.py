"""The pytest plugin for other projects' tests: fixtures over a local Sigstore, and ``pytest --sigstore-stack``.

pytest loads it in every project beside which this package is installed, so it imports nothing of a server, or of the
package's own, before a test asks for one. Under xdist each worker has a Sigstore of its own.
"""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitsign_py.localstack.embedded import LocalSigstore


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--sigstore-stack``, ``--sigstore-seed`` and ``--sigstore-port``."""
    group = parser.getgroup("sigstore", "a local Sigstore (gitsign-py)")
    group.addoption(
        "--sigstore-stack",
        action="store_true",
        help="run the tests in the environment of a local Sigstore (gitsign-py, gitsign, cosign and sigstore find it)",
    )
    group.addoption(
        "--sigstore-seed",
        default="",
        metavar="TEXT",
        help="make the keys, serial numbers and times of local Sigstores from this text, the same each time",
    )
    group.addoption(
        "--sigstore-port",
        type=_port_number,
        default=0,
        metavar="N",
        help="port of the session's Sigstore (default: any free one); worker gw1 of xdist has N + 1",
    )


def _port_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ArgumentTypeError(f"{text} is not a port number")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """With ``--sigstore-stack`` every test has its environment."""
    if config.getoption("sigstore_stack"):
        config.pluginmanager.register(_exported(), "sigstore-stack-exported")


def _exported() -> ModuleType:
    """A plugin of one fixture, which other projects' tests do not have at all."""

    @pytest.fixture(scope="session", autouse=True)
    def sigstore_exported(sigstore_stack: "LocalSigstore") -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in sigstore_stack.environment().items():
                patch.setenv(name, value)
            yield

    plugin = ModuleType("sigstore_stack_exported")  # of an instance, pytest wants fixtures to be its methods
    vars(plugin)["sigstore_exported"] = sigstore_exported
    return plugin


@pytest.fixture(scope="session")
def sigstore_stack(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> "Iterator[LocalSigstore]":
    """A local Sigstore for the whole session: url, environment(), token(email), trusted_root, rotate(), fault()."""
    yield from _started(tmp_path_factory.mktemp("sigstore"), pytestconfig, _port(pytestconfig))


@pytest.fixture
def fresh_sigstore_stack(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> "Iterator[LocalSigstore]":
    """A local Sigstore for one test, with keys and logs that nobody has used."""
    yield from _started(tmp_path_factory.mktemp("sigstore"), pytestconfig)


def _port(config: pytest.Config) -> int:
    first: int = config.getoption("sigstore_port")
    worker: dict[str, str] = getattr(config, "workerinput", {})  # of xdist
    return first and first + int(worker.get("workerid", "gw0").removeprefix("gw"))


def _started(directory: Path, config: pytest.Config, port: int = 0) -> "Iterator[LocalSigstore]":
    from gitsign_py.localstack.embedded import local_sigstore  # noqa: PLC0415 - the servers, for tests that want them

    with local_sigstore(directory / "stack", seed=config.getoption("sigstore_seed"), port=port) as running:
        yield running
