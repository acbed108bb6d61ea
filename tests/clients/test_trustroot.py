"""Which trust root counts, part by part, and what is imported for it."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitsign_py.clients import tuf
from gitsign_py.clients.trustroot import LoadedTrust, embedded, load_trusted_root
from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.trust.root import format_trusted_root, parse_trusted_root
from gitsign_py.errors import ConfigError, FormatError, UncheckedError
from gitsign_py.host.config import load_config
from gitsign_py.host.git.config import GitConfig, GitValue, canonical
from tests.support.bundles import BundleMaker
from tests.support.tufrepo import TufRepository, serve


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The trusted root of a private instance."""
    return format_trusted_root(BundleMaker(tmp_path_factory.mktemp("private")).trusted_root)


def load(
    tmp_path: Path,
    variables: dict[str, str] | None = None,
    *,
    git: dict[str, str] | None = None,
    option_file: str | None = None,
    offline: bool = True,
) -> LoadedTrust:
    environment = {"HOME": str(tmp_path), "TUF_ROOT": str(tmp_path / "tuf"), **(variables or {})}
    entries = {canonical(key): (GitValue(value, "local", "file:config"),) for key, value in (git or {}).items()}
    config = load_config(environment, GitConfig(entries))
    return load_trusted_root(config, environment, option_file=option_file, offline=offline)


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def test_without_a_word_the_embedded_public_good_root_counts(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found == embedded()
    assert found.source == "embedded public-good"
    assert found.root.digest == "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66"
    assert found.services() is not None
    assert not (tmp_path / "tuf").exists()


def test_staging_is_embedded_too() -> None:
    assert embedded("staging").root.digest != embedded().root.digest
    config = load_config({"HOME": "/nowhere"}, GitConfig())
    assert load_trusted_root(config, {}, instance="staging") == embedded("staging")


def test_the_order_of_precedence(tmp_path: Path, private: bytes) -> None:
    """Each source with a trust root of its own: the first in the order wins, then the next."""

    def other(name: str) -> bytes:
        return private.replace(b'"https://tsa.example"', f'"https://{name}.example"'.encode())

    repository = TufRepository(tmp_path / "repo")
    repository.publish({"trusted_root.json": other("tuf")})
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "tuf")
    option, variable = write(tmp_path / "o.json", other("option")), write(tmp_path / "v.json", other("variable"))
    key, bundle = write(tmp_path / "k.json", other("key")), write(tmp_path / "b.json", other("bundle"))
    both = {"GITSIGN_TRUSTED_ROOT": variable, "GITSIGN_TRUST_BUNDLE": bundle}
    settings = {"gitsign.trustedRoot": key}

    def name(found: LoadedTrust) -> str:
        return found.root.timestamp_authorities[0].uri.removeprefix("https://").removesuffix(".example")

    assert name(load(tmp_path, both, git=settings, option_file=option)) == "option"
    assert name(load(tmp_path, both, git=settings)) == "variable"
    assert name(load(tmp_path, {"GITSIGN_TRUST_BUNDLE": bundle}, git=settings)) == "key"
    assert name(load(tmp_path, {"GITSIGN_TRUST_BUNDLE": bundle})) == "bundle"
    assert name(load(tmp_path)) == "tuf"
    assert load(tmp_path).source.startswith("TUF http://127.0.0.1")


def test_an_expired_cache_is_fetched_again_unless_offline(tmp_path: Path, private: bytes) -> None:
    repository = TufRepository(tmp_path / "repo")
    repository.publish({"trusted_root.json": private})
    with serve(repository.directory) as url:
        tuf.initialize(url, repository.root, tmp_path / "tuf")
        repository.publish({"trusted_root.json": private}, days=-1)
        stale = (repository.directory / "timestamp.json").read_bytes()
        (tmp_path / "tuf/metadata/timestamp.json").write_bytes(stale)
        repository.publish({"trusted_root.json": private})
        with pytest.raises(UncheckedError) as caught:
            load(tmp_path)
        assert caught.value.reason == "trust-root-expired"
        assert caught.value.hint.startswith("the copy was fetched 0 hours ago; ")
        assert load(tmp_path, offline=False).root.digest == parse_trusted_root(private).digest
    assert load(tmp_path).root.digest == parse_trusted_root(private).digest


def test_one_variable_takes_json_base64_or_a_file(tmp_path: Path, private: bytes) -> None:
    config = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": json.loads(private),
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
    both = json.dumps(config).encode()
    digest = parse_trusted_root(private).tlogs
    for data in (private, both):
        path = write(tmp_path / "bundle.json", data)
        for value in (data.decode(), base64.b64encode(data).decode(), path):
            found = load(tmp_path, {"GITSIGN_TRUST_BUNDLE": value})
            assert found.root.tlogs == digest
            assert (found.services() is not None) == (data is both)


def pems(tmp_path: Path, private: bytes) -> dict[str, str]:
    root = parse_trusted_root(private)
    ca, tsa = root.certificate_authorities[0].chain, root.timestamp_authorities[0].chain
    return {
        "SIGSTORE_ROOT_FILE": write(tmp_path / "ca.pem", b"".join(pem_encode(one.raw, "CERTIFICATE") for one in ca)),
        "SIGSTORE_REKOR_PUBLIC_KEY": write(
            tmp_path / "rekor.pem", pem_encode(root.tlogs[0].public_key.spki, "PUBLIC KEY")
        ),
        "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": write(
            tmp_path / "ct.pem", pem_encode(root.ctlogs[0].public_key.spki, "PUBLIC KEY")
        ),
        "GITSIGN_TIMESTAMP_CERT_CHAIN": write(
            tmp_path / "tsa.pem", b"".join(pem_encode(one.raw, "CERTIFICATE") for one in tsa)
        ),
    }


PARTS = {
    "SIGSTORE_ROOT_FILE": "certificate_authorities",
    "SIGSTORE_REKOR_PUBLIC_KEY": "tlogs",
    "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": "ctlogs",
    "GITSIGN_TIMESTAMP_CERT_CHAIN": "timestamp_authorities",
}


@pytest.mark.parametrize("variable", PARTS)
def test_a_pem_file_replaces_its_part_alone(tmp_path: Path, private: bytes, variable: str) -> None:
    found = load(tmp_path, {variable: pems(tmp_path, private)[variable]})
    for part in PARTS.values():
        same = getattr(found.root, part) == getattr(embedded().root, part)
        assert same == (part != PARTS[variable])
    assert variable in found.source
    assert found.root.digest != embedded().root.digest


def test_all_pem_files_make_a_private_instance(tmp_path: Path, private: bytes) -> None:
    found, wanted = load(tmp_path, pems(tmp_path, private)).root, parse_trusted_root(private)
    assert found.tlogs[0].log_id == wanted.tlogs[0].log_id
    assert found.ctlogs[0].log_id == wanted.ctlogs[0].log_id
    assert found.certificate_authorities[0].chain[-1] == wanted.certificate_authorities[0].chain[-1]
    assert found.timestamp_authorities[0].chain == wanted.timestamp_authorities[0].chain


def test_settings_of_git_name_pem_files_as_well(tmp_path: Path, private: bytes) -> None:
    files = pems(tmp_path, private)
    git = {"gitsign.fulcioRoot": files["SIGSTORE_ROOT_FILE"]}
    assert load(tmp_path, git=git).source == "embedded public-good with gitsign.fulcioRoot"


def test_an_option_stands_alone(tmp_path: Path, private: bytes) -> None:
    """What a command line asks for is not mixed with parts from the environment."""
    path = write(tmp_path / "root.json", private)
    found = load(tmp_path, pems(tmp_path, embedded_bytes()), option_file=path)
    assert found.root == parse_trusted_root(private)


def embedded_bytes() -> bytes:
    return format_trusted_root(embedded().root)


@pytest.mark.parametrize("variable", PARTS)
@pytest.mark.parametrize("text", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_pem_files_that_cannot_be_used(tmp_path: Path, variable: str, text: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {variable: write(tmp_path / "part.pem", text)})
    assert caught.value.reason == "trust-root-file"
    assert variable in caught.value.message


def test_a_pem_file_without_a_root_cannot_be_used(tmp_path: Path, private: bytes) -> None:
    tsa = parse_trusted_root(private).timestamp_authorities[0].chain[0]
    path = write(tmp_path / "leaf.pem", pem_encode(tsa.raw, "CERTIFICATE"))
    for variable in ("SIGSTORE_ROOT_FILE", "GITSIGN_TIMESTAMP_CERT_CHAIN"):
        with pytest.raises(ConfigError, match="no self-signed root"):
            load(tmp_path, {variable: path})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for option in ("/nowhere/root.json", str(tmp_path), "\0"):
        with pytest.raises(UncheckedError) as caught:
            load(tmp_path, option_file=option)
        assert caught.value.reason == "trust-root-missing"
    with pytest.raises(ConfigError, match="more than"):
        load(tmp_path, option_file=write(tmp_path / "large.json", b" " * (5 << 20)))
    with pytest.raises(FormatError, match="--trusted-root"):
        load(tmp_path, option_file=write(tmp_path / "bad.json", b"{}"))


def test_cve_2023_47122_no_source_asks_a_server_for_keys(tmp_path: Path, private: bytes) -> None:
    """gitsign once asked the log for the key to check it with. With every URL set to a dead server, nothing changes."""
    dead = dict.fromkeys(("GITSIGN_REKOR_URL", "GITSIGN_FULCIO_URL", "TUF_MIRROR"), "http://127.0.0.1:9")
    assert load(tmp_path, dead, offline=False).root == embedded().root
    found = load(tmp_path, {**dead, **pems(tmp_path, private)}, offline=False)
    assert [log.public_key for log in found.root.tlogs] == [parse_trusted_root(private).tlogs[0].public_key]


@pytest.mark.parametrize("given", [True, False])
def test_neither_tuf_nor_requests_is_imported_for_a_file_or_the_embedded_root(
    tmp_path: Path, private: bytes, given: bool
) -> None:
    option = write(tmp_path / "r.json", private) if given else None
    code = (
        "import sys\n"
        "from gitsign_py.host.config import load_config\n"
        "from gitsign_py.host.git.config import GitConfig\n"
        "from gitsign_py.clients.trustroot import load_trusted_root\n"
        f"environment = {{'HOME': {str(tmp_path)!r}, 'TUF_ROOT': {str(tmp_path / 'tuf')!r}}}\n"
        "config = load_config(environment, GitConfig())\n"
        f"load_trusted_root(config, environment, option_file={option!r})\n"
        "print(*sys.modules)\n"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert "gitsign_py.core.trust.root" in loaded
    for heavy in ("tuf", "requests", "urllib3", "dulwich", "cryptography.x509", "asn1crypto", "keyring"):
        assert heavy not in loaded
