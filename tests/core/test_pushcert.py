"""Push certificates as git writes them, and texts that are none."""

import pytest

from gitsign_py.core.git.pushcert import parse_push_certificate, split_certificate
from gitsign_py.errors import FormatError

ONE, TWO, ZERO = "1" * 40, "2" * 40, "0" * 40
TEXT = (
    "certificate version 0.1\n"
    "pusher Alice <alice@example.com> 1704067200 +0100\n"
    "pushee ssh://git@example.com/tool.git\n"
    "nonce 1704067199-0123456789abcdef0123456789abcdef01234567\n"
    "push-option ci.skip\npush-option ci.skip\n"
    "\n"
    f"{ONE} {TWO} refs/heads/main\n"
    f"{ZERO} {ONE} refs/heads/a b\n"
)


def test_what_it_says() -> None:
    text, signature = split_certificate(f"{TEXT}-----BEGIN SIGNED MESSAGE-----\nxyz\n".encode())
    assert signature == b"-----BEGIN SIGNED MESSAGE-----\nxyz\n"
    read = parse_push_certificate(text)
    assert read.pusher == "Alice <alice@example.com> 1704067200 +0100"
    assert read.pushee == "ssh://git@example.com/tool.git"
    assert read.issued == 1704067199
    assert read.updates == {(ONE, TWO, "refs/heads/main"), (ZERO, ONE, "refs/heads/a b")}


@pytest.mark.parametrize("nonce", ["", "x-12ab34", "1704067199", "-1-12ab34", "9" * 13 + "-12ab34", "1-GG"])
def test_a_nonce_of_another_form_has_no_time(nonce: str) -> None:
    line = "nonce 1704067199-0123456789abcdef0123456789abcdef01234567\n"
    assert parse_push_certificate(TEXT.replace(line, f"nonce {nonce}\n").encode()).issued is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "certificate version 0.2" + TEXT[23:],
        TEXT.replace("\n\n", "\n"),
        TEXT[:-1],
        TEXT.replace("pushee ", "pusher Bob <bob@example.com> 1 +0000\npushee "),
        TEXT.replace("nonce ", "nonce 1-12ab\nnonce "),
        TEXT.replace(f"{ONE} {TWO} refs", f"{ONE} {TWO[:39]} refs"),
        TEXT.replace(f"{ONE} {TWO} refs/heads/main", f"{ONE} {TWO} main"),
        TEXT.replace("refs/heads/main\n", "refs/heads/main\n\n"),
        TEXT.split("\n\n", maxsplit=1)[0] + "\n\n",
        TEXT.upper(),
    ],
)
def test_a_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_push_certificate(text.encode())
    assert caught.value.reason == "push-certificate-malformed"


def test_without_a_signature_it_is_none() -> None:
    with pytest.raises(FormatError, match="has no signature"):
        split_certificate(TEXT.encode())
