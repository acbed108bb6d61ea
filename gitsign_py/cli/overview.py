"""``gitsign-py --help``: what there is, and how one begins."""

from gitsign_py.cli.commands import COMMANDS

_HEAD = """\
usage: gitsign-py COMMAND [OPTIONS]       (gitsign-py COMMAND --help tells more)
       gitsign-py [--status-fd N] -bsau KEYID | --verify SIGNATURE FILE
                                          (as git calls it)

Sign git commits and tags without keeping a key, and check who signed a history.
"""
_TAIL = """\
begin here:
  gitsign-py demo                    the whole job, on an embedded Sigstore
  gitsign-py setup                   turn signing on
  git commit -S -m "signed"          sign
  gitsign-py verify --certificate-identity alice@example.com \\
      --certificate-oidc-issuer https://accounts.example.com HEAD        check

every command takes --git-dir DIR, as git does: the repository, where it is not
the one around the working directory

exit status: 0 done, 1 not verified, 2 usage or configuration, 3 could not be
checked, 70 an error of gitsign-py
"""


def print_overview(_arguments: list[str]) -> None:
    """Print the overview on stdout."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    print(_HEAD)
    print("commands:")
    print("\n".join(lines))
    print()
    print(_TAIL, end="")
