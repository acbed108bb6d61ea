"""Texts of git's settings and of variables, read into values: a function for each kind, which names the expected form.

Each takes the text and the home directory, and raises ValueError with the words after "expected".
"""

from collections.abc import Callable
from pathlib import Path

from gitsign_py.core.git.refname import is_full_ref_name
from gitsign_py.core.pattern import pattern
from gitsign_py.host.git.config import to_bool, to_int, to_path, to_seconds

Value = str | int | float | bool | Path | tuple[str, ...] | None
_URL = pattern(r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?\Z")
NO_LOG = "none"
"""The log of an instance without one."""
_LONGEST_TIMEOUT = 600.0
_LONGEST_HOOK = 3600.0
_VARIABLE = pattern(r"[A-Z][A-Z0-9_]{0,63}\Z")
_SOURCE_URI = pattern(r"[a-z][a-z0-9+.-]*://[!-?A-~]+\Z")  # without @: neither a password nor a revision
_COMMIT_ID = pattern(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


def any_text(text: str, _home: str) -> str:
    """Any text, an empty one too."""
    return text


def required_text(text: str, _home: str) -> str:
    """Text that is not blank."""
    if not text.strip():
        raise ValueError("some text")
    return text


def url(text: str, _home: str) -> str:
    """A URL, or none."""
    if text and not _URL.match(text):
        raise ValueError("an http or https URL, without user name, query or fragment")
    return text


def required_url(text: str, home: str) -> str:
    """A URL."""
    if not text:
        raise ValueError("an http or https URL")
    return url(text, home)


def log_url(text: str, home: str) -> str:
    """``none`` stands for an instance without a log."""
    return NO_LOG if text.lower() == NO_LOG else required_url(text, home)


def path(text: str, home: str) -> Path | None:
    """A path, as git reads paths in its settings; none for an empty text."""
    return to_path(text, home) if text else None


def truth(text: str, _home: str) -> bool:
    """A truth value, in the words that git takes."""
    return to_bool(text)


def one_of(*words: str) -> Callable[[str, str], str]:
    """A function for one of ``words``, whatever its case."""

    def parse(text: str, _home: str) -> str:
        if text.lower() not in words:
            raise ValueError("one of " + ", ".join(word for word in words if word))
        return text.lower()

    return parse


def word_or_truth(word: str, yes: str, no: str) -> Callable[[str, str], str]:
    """A truth value with a third word."""

    def parse(text: str, _home: str) -> str:
        if text.lower() == word:
            return word
        try:
            return yes if to_bool(text) else no
        except ValueError:
            raise ValueError(f"one of {word}, {yes}, {no}") from None

    return parse


def rekor_version(text: str, _home: str) -> int:
    """The version of a log's API."""
    if text not in ("1", "2"):
        raise ValueError("1 or 2")
    return int(text)


def window_seconds(text: str, _home: str) -> int:
    """Whole seconds, up to ten minutes; 0 is none."""
    seconds = to_int(text)
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise ValueError("whole seconds from 0 to 600")
    return seconds


def server_seconds(text: str, _home: str) -> float:
    """Seconds for an answer, up to ten minutes."""
    seconds = to_seconds(text)
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ValueError("seconds above 0, at most 600")
    return seconds


def hook_seconds(text: str, _home: str) -> float:
    """Seconds for a hook, up to an hour."""
    seconds = to_seconds(text)
    if not 0 < seconds <= _LONGEST_HOOK:
        raise ValueError("seconds above 0, at most 3600")
    return seconds


def commit_id(text: str, _home: str) -> str:
    """A full commit id, or none."""
    if text and not _COMMIT_ID.match(text):
        raise ValueError("a full commit id, 40 or 64 lower-case hex digits")
    return text


def full_ref(text: str, _home: str) -> str:
    """A ref by its full name, or none."""
    if text and not is_full_ref_name(text):
        raise ValueError("a full ref name, such as refs/heads/main or refs/remotes/origin/main")
    return text


def policy_place(text: str, home: str) -> str:
    """A file, or ``REVISION:PATH``; only the file can start with a home directory."""
    return str(to_path(text, home)) if text.startswith("~") else text


def pusher_place(text: str, _home: str) -> str:
    """Where a hook finds who pushes."""
    if text and text != "system" and not _VARIABLE.match(text):
        raise ValueError("system (the account that runs the hook) or the name of an environment variable")
    return text


def signer(text: str, _home: str) -> str:
    """An identity and its issuer."""
    if len(text.split()) != 2:
        raise ValueError("IDENTITY ISSUER, for instance 'alice@example.com https://accounts.example.com'")
    return text


def source_attester(text: str, home: str) -> str:
    """The same, or none."""
    return signer(text, home) if text else text


def source_uri(text: str, _home: str) -> str:
    """The URI of a repository, or none."""
    if text and not _SOURCE_URI.match(text):
        raise ValueError("the URI that consumers know the repository by, such as git+https://git.example.com/project")
    return text


def source_ref(text: str, _home: str) -> str:
    """A glob as policies have them for refs; policy.patterns is not loaded for each commit."""
    parts = text.split("/")
    is_glob = all(part and not set("[]{}\\") & set(part) and ("**" not in part or part == "**") for part in parts)
    if not text.startswith(("refs/heads/", "refs/tags/")) or not text.isprintable() or not is_glob:
        raise ValueError(
            "a branch or tag by its full name, or a glob for some, such as refs/heads/main or refs/tags/v*"
        )
    return text
