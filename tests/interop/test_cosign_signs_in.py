"""A person signs in at the stack's issuer for cosign: with a code from another screen, and in a browser."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.foreign import EMAIL, ForeignBench
from tests.support.gitrepo import environment
from tests.support.processes import ending
from tests.support.webform import fetch

pytestmark = pytest.mark.unmeasured

SECONDS = 120.0
# Stands in for the desktop's way of opening a browser: keeps the address.
OPENER = '#!/bin/sh\nprintf %s "$1" > "$HOME/url.part" && mv "$HOME/url.part" "$HOME/url"\n'


def soon(look: Callable[[], str], child: "subprocess.Popen[bytes]") -> str:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        assert child.poll() is None, "cosign ended before anybody signed in"
        time.sleep(0.05)
    raise AssertionError("cosign asked for nothing")


@contextmanager
def signing(place: ForeignBench, cosign: str, flow: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A cosign that signs the artifact once somebody has signed in; what it says is in the file ``said``."""
    config = place.signing_config(1, timestamps=False)
    command = [cosign, "sign-blob", "-y", "--fulcio-auth-flow", flow, "--signing-config", config, *place.trust]
    command += ["--bundle", "bundle", "artifact"]
    home = place.folder / "home"
    env = environment(HOME=str(home), PATH=f"{home}:/usr/bin:/bin")
    with (
        (place.folder / "said").open("wb") as said,
        ending(
            subprocess.Popen(command, cwd=place.folder, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        ) as child,
    ):
        try:
            yield child
        finally:
            child.kill()


def signed(place: ForeignBench, child: "subprocess.Popen[bytes]") -> None:
    assert child.wait(SECONDS) == 0, (place.folder / "said").read_text()
    check = ["--bundle", "bundle", *place.trust, *place.who, "artifact"]
    assert place.ours("verify-bundle", *check).returncode == 0


def test_with_a_code_on_another_screen(place: ForeignBench, cosign: str) -> None:
    def address() -> str:
        words = (place.folder / "said").read_text().rpartition("\n")[0].split()  # whole lines
        return next((word for word in words if word.startswith(f"{place.stack.url}/device?user_code=")), "")

    with signing(place, cosign, "device") as child:
        assert fetch(soon(address, child)).press("allow", email=EMAIL).status == 200
        signed(place, child)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere cosign opens a browser by another program")
def test_in_a_browser(place: ForeignBench, cosign: str) -> None:
    opener, opened = place.folder / "home" / "xdg-open", place.folder / "home" / "url"
    opener.write_text(OPENER)
    opener.chmod(0o755)

    def address() -> str:
        return opened.read_text() if opened.exists() else ""

    with signing(place, cosign, "normal") as child:
        page = fetch(soon(address, child)).press("allow", email=EMAIL)
        assert page.url.startswith("http://localhost:"), page.url
        signed(place, child)
