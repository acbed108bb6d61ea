"""The half of a check-up that looks beyond the machine: agent, trust root, services, clock, a test signature."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gitsign_py.data
from gitsign_py.agent import client
from gitsign_py.cli import instance, wiring
from gitsign_py.cli.clock import NOTICED, describe
from gitsign_py.cli.entryfinder import entry_finder
from gitsign_py.cli.gpg.signing import sign
from gitsign_py.cli.tokens import needs_person
from gitsign_py.clients.answer import Answer
from gitsign_py.clients.trustroot import LoadedTrust, age_of, in_words, tuf_copy
from gitsign_py.clients.urls import is_loopback, join_url
from gitsign_py.core.encoding import format_rfc3339, parse_rfc3339
from gitsign_py.core.frozen import frozen
from gitsign_py.core.tlog.checkpoint import open_checkpoint
from gitsign_py.core.trust.root import CertificateAuthority, TransparencyLogInstance, TrustedRoot
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.host.checkup import Finding, failure, found
from gitsign_py.host.git.program import run_git
from gitsign_py.host.paths import data_directory
from gitsign_py.host.terminal import Terminal
from gitsign_py.localstack.expiry import warnings
from gitsign_py.verification.signature import Sources
from gitsign_py.verification.verifier import Verifier

SKEW_FAIL = timedelta(minutes=5)
"""A certificate lives ten minutes, and tokens about as long: five minutes off and servers refuse."""
_SOON = timedelta(days=30)
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_STALE = timedelta(days=7)
_INITIALIZE = "run gitsign-py initialize, or upgrade this package"
_ANY_STATUS = range(100, 600)


def check_network(settings: wiring.Settings, chosen: instance.Endpoints) -> Finding:
    """Which authorities count for TLS, can they be read, and which proxies are asked?"""
    network = wiring.network(settings)
    urls = [one.url for one in services(chosen)]
    trusts = {url: network.trust_for(url) for url in urls if url.startswith("https:")}
    for trust in (network.trust, *trusts.values()):
        network.context(trust)  # reads the files; what it raises is the finding
    others = "".join(f", for {url} {trust}" for url, trust in trusts.items() if trust != network.trust)
    proxies = sorted({proxy for url in urls if (proxy := network.proxy(url))})
    through = f"through the proxy {', '.join(proxies)}" if proxies else "without a proxy"
    facts = {"authorities": network.trust.name or "system", "proxies": ", ".join(proxies)}
    return Finding("network", "ok", f"TLS trusts {network.trust}{others}; {through}", facts=facts)


def check_agent(settings: wiring.Settings) -> Finding:
    """Does the signing agent answer, where it should?"""
    path = client.socket_path(dict(settings.environment))
    reply = client.ask(path, "status")
    mode = settings.config.program.agent
    if reply is not None and reply.get("status") == b"ok":
        if mode == "off":
            return Finding("agent", "ok", f"it answers at {path}, and gitsign.agent off keeps it out")
        context = client.context(dict(settings.environment), str(Path.cwd()))
        asked = client.converse(path, {**context, "request": b"whoami"}, silence=client.ASK_SECONDS)
        if asked is not None and (differs := asked.get("differs", b"").decode()):
            text = f"the one at {path} has {differs}, and leaves the work to each command"
            return Finding("agent", "warn", text, "gitsign-py agent stop; the next signature starts another")
        held = len(json.loads(reply["json"])["held"])
        return Finding("agent", "ok", f"it answers at {path}, and holds {held} key{'' if held == 1 else 's'}")
    if Path(path).exists():
        return _silent_agent(path)
    if mode == "on":
        return Finding("agent", "warn", "it does not run; the next signature starts it", "gitsign-py agent start")
    return Finding("agent", "ok", f"it does not run (gitsign.agent {mode})")


def _silent_agent(path: str) -> Finding:
    if why := client.distrusted(path):
        advice = "remove it, and let GITSIGN_CREDENTIAL_CACHE name a socket in a directory of your own (mode 0700)"
        return Finding("agent", "warn", f"its endpoint {path} is not trusted and passed over: {why}", advice)
    advice = "gitsign-py agent stop, or remove the socket; signing goes on without it"
    return Finding("agent", "warn", f"nobody answers at its socket {path}", advice)


def check_trust(settings: wiring.Settings, loaded: LoadedTrust, now: datetime) -> Finding:
    """Where is the trust root from, and how old is it?"""
    expires, since = _expiry(settings, loaded)
    source = f"{loaded.source}, {len(loaded.root.tlogs)} logs, {len(loaded.root.certificate_authorities)} CAs"
    fetched = _fetched(settings) if loaded.expires is not None else None
    if fetched is not None:
        source += f", fetched {in_words(fetched)}"
    if expires is not None and expires < now:
        text = f"{source}: its metadata ended {expires:%Y-%m-%d}; newer keys may be missing"
        return Finding("trust-root", "warn", text, _INITIALIZE, {"expires": format_rfc3339(expires)})
    if fetched is not None and fetched >= _STALE:
        return Finding("trust-root", "warn", f"{source}; newer keys may be missing", "gitsign-py initialize --refresh")
    age = f", until {expires:%Y-%m-%d}" if expires else f", written {since:%Y-%m-%d}" if since else ""
    return Finding("trust-root", "ok", source + age, facts={"digest": loaded.root.digest})


def _fetched(settings: wiring.Settings) -> timedelta | None:
    """How long ago the copy of a TUF repository was fetched, None where a file counts."""
    found = tuf_copy(settings.config.trust, settings.environment)
    return None if found is None else age_of(found[0])


def _expiry(settings: wiring.Settings, loaded: LoadedTrust) -> tuple[datetime | None, datetime | None]:
    """When the trust root's metadata ends (TUF, embedded), or when its file was written."""
    if loaded.expires is not None:
        return loaded.expires, None
    if loaded.source.startswith("embedded "):
        instance = loaded.source.split()[1]
        root = json.loads((Path(gitsign_py.data.__file__).parent / instance / "root.json").read_bytes())
        return parse_rfc3339(root["signed"]["expires"]), None
    path = settings.config.trust.trusted_root
    written = path.stat().st_mtime if path is not None and path.exists() else None
    try:
        return None, datetime.fromtimestamp(written, UTC) if written is not None else None
    except (ValueError, OverflowError, OSError):  # a file's time may lie outside the calendar
        return None, None


def check_windows(root: TrustedRoot, now: datetime) -> Finding:
    """Is there a CA, a log and a CT log that may be used today, and for how long? Where no log is listed at all, a
    timestamp authority proves the time (docs/verification.md, 4.1).
    """
    ends: list[datetime] = []
    needed = {"certificate authority": [_authority_end(one, now) for one in root.certificate_authorities]}
    if root.has_no_log:
        needed["timestamp authority"] = [_authority_end(one, now) for one in root.timestamp_authorities]
    else:
        needed["transparency log"] = [_log_end(one, now) for one in root.tlogs]
    if not root.has_no_ct_log:
        needed["CT log"] = [_log_end(one, now) for one in root.ctlogs]
    for what, lasts in needed.items():
        usable = [end for end in lasts if end is not None]
        if not usable:
            return Finding("keys", "fail", f"the trust root has no {what} that is valid today", _INITIALIZE)
        ends.append(max(usable))
    first = min(ends)
    if first - now < _SOON:
        return Finding("keys", "warn", f"keys of the trust root end on {first:%Y-%m-%d}", _INITIALIZE)
    until = "" if first.year >= _FAR.year else f", until {first:%Y-%m-%d} at least"
    *others, last = (_SHORT.get(what, what) for what in needed)
    unlogged = "; no log is listed" if root.has_no_log else ""
    return Finding("keys", "ok", f"{', '.join(others)} and {last} are valid today{until}{unlogged}")


def check_witnesses(settings: wiring.Settings, chosen: instance.Endpoints) -> Finding:
    """Does the witness policy ask for anybody, and does the log of the settings fall under it?"""
    policy = wiring.witness_policy(settings)
    if policy is None or not policy.requires:
        return Finding("witnesses", "warn", "the witness policy asks for no witness (quorum none)", _WITNESSES)
    if chosen.rekor_version == 1 and not policy.logs:
        words = "the witness policy lists no logs, so Rekor v1 passes without cosignatures"
        return Finding("witnesses", "warn", words, "add log lines, or sign with gitsign.rekorVersion 2")
    return Finding("witnesses", "ok", f"{len(policy.witnesses)} witnesses, the quorum is {policy.quorum}")


_SHORT = {"certificate authority": "CA", "transparency log": "log"}
_WITNESSES = "correct the file of gitsign.witnessPolicy (docs/witnesses.md)"
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


def _authority_end(authority: CertificateAuthority, now: datetime) -> datetime | None:
    """When the CA ends, by the trust root and its own certificates; None when it is not valid now."""
    certificates = authority.chain
    if not authority.valid_for.covers(now) or not all(one.not_before <= now <= one.not_after for one in certificates):
        return None
    return min([authority.valid_for.end or _FAR, *(one.not_after for one in certificates)])


def _log_end(log: TransparencyLogInstance, now: datetime) -> datetime | None:
    return (log.valid_for.end or _FAR) if log.valid_for.covers(now) else None


@frozen
class ServiceProbe:
    """A service and something harmless to ask it; without ``statuses`` any answer below 500 shows that it is there."""

    name: str
    url: str
    path: str
    statuses: tuple[int, ...] = (200,)


def services(chosen: instance.Endpoints) -> tuple[ServiceProbe, ...]:
    """Every service that a signature needs."""
    log = ServiceProbe("rekor", chosen.rekor, "/api/v1/log")
    if chosen.rekor_version == 2:  # what rekor-tiles has published is served elsewhere, if need be: 501 from itself
        log = ServiceProbe("rekor", chosen.rekor, "/api/v2/checkpoint", (200, 501))
    listed = [
        ServiceProbe("issuer", chosen.issuer, "/.well-known/openid-configuration"),
        ServiceProbe("fulcio", chosen.fulcio, "/api/v2/configuration"),
        *([log] if chosen.rekor else []),
    ]
    return (*listed, ServiceProbe("timestamps", chosen.timestamps, "", ())) if chosen.timestamps else tuple(listed)


def check_services(settings: wiring.Settings, chosen: instance.Endpoints, root: TrustedRoot) -> list[Finding]:
    """Ask every service at once, each on a connection of its own; then look at the log's key and at the clocks."""
    listed = services(chosen)
    with ThreadPoolExecutor(len(listed)) as pool:
        asked = list(pool.map(lambda one: _ask(settings, one), listed))
    findings = [one.finding for one in asked]
    log = next((one.answer for service, one in zip(listed, asked, strict=True) if service.name == "rekor"), None)
    if not chosen.rekor:
        findings.append(Finding("rekor", "skip", "no log: gitsign.rekor is none, or the instance has none"))
    if log is not None and log.status == 200:
        findings.append(found("log-key", lambda: check_log_key(root, chosen, log)))
    return [*findings, check_clock([one.skew for one in asked if one.skew is not None])]


@frozen
class _Asked:
    """The outcome of asking a service; ``skew`` is how far our clock is ahead of its own."""

    finding: Finding
    answer: Answer | None = None
    skew: timedelta | None = None


def _ask(settings: wiring.Settings, service: ServiceProbe) -> _Asked:
    try:
        url = join_url(service.url, service.path) if service.path else service.url
        with wiring.session(settings) as http:
            answer = http.exchange(service.name, "GET", url, expected=_ANY_STATUS)
    except GitsignError as error:
        return _Asked(failure(service.name, error))
    return _Asked(_answered(service, answer), answer, http.clock_ahead)


def check_log_key(root: TrustedRoot, chosen: instance.Endpoints, answer: Answer) -> Finding:
    """Does the log sign its checkpoint with a key of the trust root? If not, nothing that it logs will verify."""
    envelope = answer.body
    if chosen.rekor_version == 1:
        value = answer.json()
        text = value.get("signedTreeHead") if isinstance(value, dict) else None
        envelope = text.encode() if isinstance(text, str) else b""
    for log in root.tlogs:
        given = (log.checkpoint_key_id or log.log_id)[:4]
        for hints in ([given], None):
            with suppress(GitsignError):
                opened = open_checkpoint(envelope, log.public_key, key_hints=hints)
                text = f"the log's checkpoint ({opened.checkpoint.size} entries) is signed by a key of the trust root"
                return Finding("log-key", "ok", text)
    text = f"the log at {chosen.rekor} signs with a key that the trust root does not list"
    advice = "let gitsign.rekor and the trust root be of one instance (gitsign-py setup --instance)"
    return Finding("log-key", "fail", text, advice)


def _answered(service: ServiceProbe, answer: Answer) -> Finding:
    if answer.status in service.statuses or (not service.statuses and answer.status < 500):
        return Finding(service.name, "ok", f"{service.url} answers")
    text = f"{answer.url} answers with status {answer.status}"
    return Finding(service.name, "fail", text, "check the URL (gitsign-py config), or wait: it may be down")


def check_clock(skews: Sequence[timedelta]) -> Finding:
    """Is our clock right? One server may be wrong; the one nearest to us is believed."""
    if not skews:
        return Finding("clock", "skip", "no server said what time it is")
    nearest = min(skews, key=abs)
    seconds = round(nearest.total_seconds())
    facts = {"seconds": seconds}
    if abs(nearest) <= NOTICED:
        return Finding("clock", "ok", "this machine's clock agrees with the servers'", facts=facts)
    return Finding(
        "clock", "fail" if abs(nearest) > SKEW_FAIL else "warn", describe(nearest), "set the clock (by NTP)", facts
    )


def check_signature(
    settings: wiring.Settings, chosen: instance.Endpoints, root: TrustedRoot, terminal: Terminal, *, wanted: bool
) -> Finding:
    """Make a signature and verify it. It is logged: in a public log, or after a sign-in, only when that is wanted."""
    private = all(is_loopback(url) for url in (chosen.fulcio, chosen.rekor or chosen.fulcio))
    if not (private or wanted):
        return Finding(
            "signature", "skip", "not tried, since it would stand in a public log for ever", "gitsign-py doctor --sign"
        )
    if not wanted and needs_person(settings, chosen):
        text = "not tried, since somebody would have to sign in for it"
        return Finding("signature", "skip", text, "gitsign-py doctor --sign")
    try:
        person = run_git(["var", "GIT_COMMITTER_IDENT"], environment=settings.environment).strip()
    except UncheckedError:  # a finding of its own, where somebody commits
        text = "not tried, since git has no address to commit with here"
        return Finding("signature", "skip", text, "try it where you commit, with user.email set")
    payload = _payload(person)
    result = sign(settings, payload, terminal)
    verifier = Verifier(root, wiring.now(), wiring.requirements(settings), Sources(entry_finder(settings)))
    verified = verifier.verify(payload, result.armored, object_id=result.object_id)
    text = f"a test signature verifies: {verified.identity}, vouched for by {verified.issuer}"
    return Finding("signature", "ok", f"{text}, {result.logged_at}", facts={"log_index": result.log_index})


def _payload(person: bytes) -> bytes:
    """A commit of nothing, which is in no repository."""
    lines = [f"tree {_EMPTY_TREE}".encode(), b"author " + person, b"committer " + person]
    return b"\n".join([*lines, b"", b"gitsign-py doctor\n"])


def service_findings(
    settings: wiring.Settings, terminal: Terminal, *, offline: bool, wanted: bool
) -> Iterator[Finding]:
    """Make all checks of this module."""
    yield found("agent", lambda: check_agent(settings))
    with suppress(GitsignError):  # a data directory that cannot be used is a finding of its own
        for warning in warnings(data_directory() / "stack", wiring.now()):
            text, _, advice = warning.partition("; ")
            yield Finding("local-stack", "warn", text, advice)
    try:
        loaded, chosen = wiring.loaded_trust(settings, offline=offline), instance.endpoints(settings)
    except GitsignError as error:
        yield failure("trust-root", error)
        return
    yield found("trust-root", lambda: check_trust(settings, loaded, wiring.now()))
    yield found("keys", lambda: check_windows(loaded.root, wiring.now()))
    if settings.config.trust.witness_policy is not None:
        yield found("witnesses", lambda: check_witnesses(settings, chosen))
    yield found("network", lambda: check_network(settings, chosen))
    if offline:
        yield Finding("services", "skip", "not asked: --offline")
        return
    yield from check_services(settings, chosen, loaded.root)
    yield found("signature", lambda: check_signature(settings, chosen, loaded.root, terminal, wanted=wanted))
