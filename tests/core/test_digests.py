"""The light hash functions are those of ``hashlib``, and a process that asks for none of them never loads OpenSSL's."""

import hashlib
import sys

import pytest

from gitsign_py.core import digests


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    made: dict[str, object] = {}
    monkeypatch.setattr(digests, "_makers", made)
    monkeypatch.setattr(digests, "_light", {})
    return made


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 128, 1 << 16])
def test_every_digest_is_that_of_hashlib(fresh: dict[str, object], size: int, *, light: bool) -> None:
    if light:
        digests.choose_light()
        assert set(fresh) == {"sha1", "sha256"}
    data = bytes(number * 7 % 256 for number in range(size))
    for name in ("sha1", "sha256", "sha384", "sha512"):
        assert digests.new(name, data).hexdigest() == hashlib.new(name, data).hexdigest()
    assert digests.sha256(data).digest() == hashlib.sha256(data).digest()
    parts = digests.new("sha1", data[: size // 2], more=size)
    parts.update(data[size // 2 :])
    assert parts.digest() == hashlib.sha1(data, usedforsecurity=False).digest()


@pytest.mark.parametrize("much", ["given", "announced"])
def test_much_data_goes_to_hashlib_and_so_does_what_follows(fresh: dict[str, object], much: str) -> None:
    digests.choose_light()
    light = dict(fresh)
    digests.new("sha1", b"few", more=1000)
    assert fresh == light
    data = b"x" * (1 << 20)
    found = digests.sha256(data) if much == "given" else digests.new("sha256", data[:9], more=len(data))
    assert type(found) is type(hashlib.sha256())
    assert not set(fresh.values()) & set(light.values())
    assert type(digests.sha256(b"few")) is type(hashlib.sha256())
    digests.choose_light()  # asked again, it is light again
    assert fresh["sha1"] is light["sha1"]


def test_an_unknown_function_is_an_error(fresh: dict[str, object]) -> None:
    digests.choose_light()
    with pytest.raises(ValueError, match="unsupported hash type"):
        digests.new("sha2560", b"")


def test_a_python_without_light_functions_takes_hashlib(
    fresh: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "_sha1", None)
    digests.choose_light()
    assert not fresh
    assert digests.sha256(b"a").hexdigest() == hashlib.sha256(b"a").hexdigest()
