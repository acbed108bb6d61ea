"""Identity tokens that are simply there: on the command line, in the environment, in a file.

The order is that of trust in the person's intent: a flag given now, a variable of this shell, a file that a platform
keeps fresh. A token is read when it is asked for, since a file may be renewed between two signatures.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from gitsign_py.core.frozen import frozen
from gitsign_py.core.sigstore.token import MAX_TOKEN_BYTES, IdentityToken, parse_unverified
from gitsign_py.errors import ConfigError, FormatError

VARIABLE = "SIGSTORE_ID_TOKEN"
FILE_VARIABLE = "GITSIGN_TOKEN_FILE"


@frozen
class GivenToken:
    """A token held as text (port ``TokenSource``); ``source`` is where it stood, for messages."""

    text: IdentityToken
    source: str

    def token(self) -> IdentityToken:
        """Return the token, white space around it dropped. Raises ConfigError ``token-invalid``, ``token-unsigned``."""
        return _checked(self.text.raw, self.source)


@frozen
class TokenFile:
    """A token in a file (port ``TokenSource``), read anew each time."""

    path: Path
    source: str = FILE_VARIABLE

    def token(self) -> IdentityToken:
        """Read the token. Raises ConfigError ``token-file-unreadable``, ``token-invalid`` or ``token-unsigned``."""
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_TOKEN_BYTES + 1)
        except (OSError, ValueError) as error:
            why = (getattr(error, "strerror", None) or "no name of a file").lower()
            raise ConfigError(
                "token-file-unreadable",
                f"the token file {str(self.path)[:200]} ({self.source}) cannot be read: {why}",
                hint=f"let {self.source} name a file that holds an identity token, or unset it",
                facts={"source": self.source, "path": str(self.path)[:200]},
            ) from error
        return _checked(data.decode("ascii", "replace"), f"{self.source}, file {self.path}")


def static_source(flag: str | None, environment: Mapping[str, str]) -> GivenToken | TokenFile | None:
    """Find the first static token source that is set: ``--token``, SIGSTORE_ID_TOKEN, GITSIGN_TOKEN_FILE.

    An empty variable counts as unset, an empty ``--token`` does not (a script's variable was empty). None when there
    is none; nothing is read yet.
    """
    if flag is not None:
        return GivenToken(IdentityToken(flag), "--token")
    if environment.get(VARIABLE):
        return GivenToken(IdentityToken(environment[VARIABLE]), VARIABLE)
    if environment.get(FILE_VARIABLE):
        return TokenFile(Path(os.path.expanduser(environment[FILE_VARIABLE])))  # noqa: PTH111 - never raises
    return None


def _checked(text: str, source: str) -> IdentityToken:
    """The text itself is never repeated: it may be a token all the same."""
    raw = text.strip()
    try:
        parse_unverified(raw)
    except FormatError as error:
        raise ConfigError(
            error.reason, f"{error.message} (from {source})", hint=error.hint, facts={"source": source}
        ) from error
    return IdentityToken(raw)
