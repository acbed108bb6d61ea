"""Where a stack listens, what it serves and whose tokens it takes: options of ``stack up``, their file, and their unit.

``stack unit`` prints a stack with such options as a system service, as little privileged as systemd can make it.
"""

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gitsign_py.data
from gitsign_py.cli.agentside.units import systemd_argument, systemd_word
from gitsign_py.cli.commands.stackcommand import command, installed, port_number
from gitsign_py.cli.wiring import read_witness_policy
from gitsign_py.errors import ConfigError, UsageError
from gitsign_py.host.ownprogram import NAME, own_program
from gitsign_py.localstack.placement import LOOPBACK, SERVICES, Placement, placement
from gitsign_py.localstack.process import read_info

if TYPE_CHECKING:
    from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
    from gitsign_py.localstack.fulcio.issuers import ForeignIssuer

DEFAULT_PORT = 18400
_UNIT = Path(gitsign_py.data.__file__).parent / "stackunit" / "gitsign-py-stack.service"
MAX_FILE = 64 * 1024
_FILE_HELP = (
    "read host, port, url, only, without, proxies, issuers, issuer-keys and witness-policy from this TOML file; "
    "options count before it"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The choices: ``placement``, ``port``, the issuers' file, the JWKS files by issuer, the witnesses' policy."""

    placement: Placement
    port: int
    issuers: Path | None
    issuer_keys: dict[str, Path]
    witnesses: Path | None = None

    def read_issuers(self) -> "tuple[ForeignIssuer, ...]":
        """The issuers that the file names. Raises ConfigError ``issuers-...``."""
        if self.issuers is None:
            return ()
        with installed():
            from gitsign_py.localstack.fulcio.issuers import read_issuers  # noqa: PLC0415 - needs the extra
        return read_issuers(self.issuers)

    def read_witnesses(self) -> "WitnessPolicy | None":
        """The witnesses of Rekor v2. Raises ConfigError ``witness-policy-...``."""
        return None if self.witnesses is None else read_witness_policy(self.witnesses)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    names = ", ".join(SERVICES)
    parser.add_argument("--host", default="", metavar="ADDRESS", help=f"address to listen at (default {LOOPBACK})")
    parser.add_argument(
        "--port",
        type=port_number,
        default=None,
        metavar="N",
        help=f"port (default: that of the last start, else {DEFAULT_PORT}; 0: any free one)",
    )
    parser.add_argument("--url", default="", metavar="URL", help="the URL that clients use: that of a TLS proxy")
    about = (
        "believe this proxy, or those of this network, who the client is; may be repeated (those of this machine are)"
    )
    parser.add_argument("--proxy", action="append", default=[], metavar="ADDRESS[/BITS]", help=about)
    parser.add_argument("--only", default="", metavar="LIST", help=f"serve these services alone, of {names}")
    parser.add_argument("--without", default="", metavar="LIST", help="serve all services but these")
    parser.add_argument(
        "--issuers", type=Path, default=None, metavar="FILE", help="issuers for Fulcio, in the form of its own file"
    )
    parser.add_argument(
        "--issuer-keys",
        action="append",
        default=[],
        metavar="URL=FILE",
        help="keys of an issuer from a JWKS file, which is then not asked for them; may be repeated",
    )
    parser.add_argument(
        "--witness-policy",
        type=Path,
        default=None,
        metavar="FILE",
        help="let Rekor v2 show only checkpoints that the witnesses in this tlog-policy file have cosigned",
    )
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help=_FILE_HELP)


def arguments_of(options: argparse.Namespace) -> list[str]:
    """The same options for a stack in the background, with absolute paths."""
    texts = {"host": options.host, "url": options.url, "only": options.only, "without": options.without}
    found = [f"--{name}={value}" for name, value in texts.items() if value]
    found += [] if options.port is None else [f"--port={options.port}"]
    found += [f"--proxy={one}" for one in options.proxy]
    for name in ("issuers", "witness-policy", "config"):
        path: Path | None = getattr(options, name.replace("-", "_"))
        found += [f"--{name}={path.absolute()}"] if path else []
    return found + [f"--issuer-keys={url}={path.absolute()}" for url, path in _keys(options.issuer_keys).items()]


def place_of(options: argparse.Namespace, directory: Path | None = None) -> Place:
    """Put options and file together; the port is else that of the last start in ``directory``, so that clients which
    were told it, and the issuer's name in certificates, stay right.

    Raises UsageError ``stack-...``, ConfigError ``stack-config-invalid``.
    """
    given = _read(options.config) if options.config else {}
    chosen = placement(
        options.host or given.get("host", ""),
        options.url or given.get("url", ""),
        _names(options.only) or given.get("only", []),
        _names(options.without) or given.get("without", []),
        options.proxy or given.get("proxies", []),
    )
    issuers: Path | None = options.issuers or given.get("issuers")
    witnesses: Path | None = options.witness_policy or given.get("witness-policy")
    port = options.port if options.port is not None else given.get("port", _last_port(directory))
    place = Place(chosen, port, issuers, given.get("issuer-keys", {}) | _keys(options.issuer_keys), witnesses)
    _require_fit(place, options)
    return place


def _last_port(directory: Path | None) -> int:
    info = read_info(directory) if directory else None
    return info.port if info and 0 < info.port < 65536 else DEFAULT_PORT


def _require_fit(place: Place, options: argparse.Namespace) -> None:
    served = place.placement.services
    if "fulcio" in served and "idp" not in served and place.issuers is None:
        raise UsageError(
            "stack-issuers-missing", "Fulcio has no issuer", hint="name some with --issuers FILE, or --without fulcio"
        )
    if place.placement.exposed and (options.seed or options.fault_control):
        raise UsageError("stack-exposed", "--seed and --fault-control are for a stack that no one else can reach")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _keys(texts: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        url, sign, path = text.rpartition("=")
        if not sign or not url or not path:
            raise UsageError("issuer-keys-invalid", f"--issuer-keys {text} is not URL=FILE")
        found[url] = Path(path)
    return found


def _read(path: Path) -> dict[str, Any]:
    """The file, its paths seen from where it lies."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE)
        value = tomllib.loads(data.decode())
    except (OSError, ValueError) as error:
        raise ConfigError("stack-config-invalid", f"cannot read {path}: {error}") from error
    for name, item in value.items():
        if not _fits(name, item):
            raise ConfigError("stack-config-invalid", f"{path}: {name} is unknown, or of another type", hint=_FILE_HELP)
    near = path.absolute().parent
    keys = {url: near / file for url, file in value.get("issuer-keys", {}).items()}
    files: dict[str, Any] = {name: near / value[name] for name in ("issuers", "witness-policy") if name in value}
    return {**value, **files, "issuer-keys": keys}


def _fits(name: str, item: object) -> bool:
    if name in {"host", "url", "issuers", "witness-policy"}:
        return isinstance(item, str)
    if name in {"only", "without", "proxies"}:
        return isinstance(item, list) and all(isinstance(one, str) for one in item)
    if name == "issuer-keys":
        return isinstance(item, dict) and all(isinstance(one, str) for one in item.values())
    return name == "port" and isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 65536


def add_unit(commands: Any) -> None:
    """Add ``stack unit``."""
    text = "print a systemd unit for a stack with these options"
    parser = command(commands, "unit", _unit, text)
    add_place(parser)
    parser.set_defaults(seed="", fault_control=False)


def _unit(options: argparse.Namespace) -> int:
    place_of(options)  # a service that could not start is said here
    words = " ".join(systemd_argument(word) for word in ["--log-format=json", *arguments_of(options)])
    unit = _UNIT.read_text(encoding="utf-8")
    print(unit.replace("@PROGRAM@", systemd_word(str(own_program() or NAME))).replace("@OPTIONS@", words), end="")
    return 0
