"""Pull requests and what forges make of them, in a history that a ``Court`` judges."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.court import new_history
from tests.support.history import ISSUER, History

FORGE = "noreply@forge.example"
MAIN = "refs/heads/main"
POLICY_PATH = ".gitsign/policy.toml"
FILES = {"src/a": "1", "src/b": "1", "secrets/key": "1", "README": "1"}


def policy(*, forge: str = "squash = true\nrebase = true\nreproducible = true", first: str = "") -> str:
    """Alice administers and keeps the secrets, Bob works on the rest, Carol on other branches than main alone."""
    people = "".join(
        f'[people.{name}]\nidentities = [{{ subject = "{name}@example.com", issuer = "{ISSUER}" }}]\n'
        for name in ("alice", "bob", "carol")
    )
    return f"""\
version = 1
administrators = ["alice"]
{first}
{people}
[forges.forge]
committer = "{FORGE}"
{forge}
[[rules]]
name = "secrets"
paths = ["/secrets/**"]
allow = ["alice"]
[[rules]]
name = "main"
refs = ["{MAIN}"]
allow = ["alice", "bob"]
[[rules]]
name = "rest"
allow = ["alice", "bob", "carol"]
"""


@dataclass
class Pulls:
    """A history with a first commit, the heads of its pull requests by number, and what the forge makes of them."""

    text: str = field(default_factory=policy)
    history: History = field(default_factory=new_history)
    refs: dict[str, str] = field(default_factory=dict)
    root: str = ""

    def __post_init__(self) -> None:
        self.root = self.history.commit(signed="alice", files={**FILES, POLICY_PATH: self.text})

    def head(self, number: int, *changes: Mapping[str, str | None], on: str = "", by: str = "bob") -> str:
        """A pull request of commits by one person, each with its changes; gives the last."""
        tip = on or self.root
        for change in changes:
            tip = self.history.commit(tip, by=by, signed=by, files=change, message=f"{number}: {sorted(change)}")
        self.refs[f"refs/pull/{number}/head"] = tip
        return tip

    def squash(self, parent: str, head: str, number: int = 0, *, author: str = "bob", **rest: object) -> str:
        """What a forge makes: the files of the merge, the author of the pull request, its own name for committer."""
        merged = self.history.merged_files(parent, head) or self.history.files[head]
        gone: dict[str, str | None] = dict.fromkeys(self.history.files[parent])
        files = {**gone, **merged, **rest.pop("files", {})}  # type: ignore[dict-item]
        made: dict[str, object] = {"by": FORGE, "message": f"Do it (#{number})" if number else "Do it", **rest}
        return self.history.commit(parent, author=author, files=files, **made)  # type: ignore[arg-type]

    def rebase(self, parent: str, *commits: str, by: str = FORGE) -> str:
        """Each commit applied to the one before, author line and message as they were; gives the last."""
        for oid in commits:
            parent = self.pick(parent, oid, by=by)
        return parent

    def pick(self, parent: str, oid: str, *, by: str = FORGE, files: Mapping[str, str | None] | None = None) -> str:
        """One commit applied to another parent."""
        before, after = self.history.files[self.history.commit_facts(oid).parents[0]], self.history.files[oid]
        change: dict[str, str | None] = {path: after.get(path) for path in {*before, *after}}
        change = {path: text for path, text in change.items() if before.get(path) != text}
        return self.history.copy(oid, parent, by=by, files={**change, **(files or {})})
