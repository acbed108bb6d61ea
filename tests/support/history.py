"""A small language for histories: who commits what on which parents, signed by whom; in memory, and as a repository.

Objects are made byte by byte as git stores them, so a history of thousands of commits takes a moment, and ``write``
puts them into a real repository. Signatures come from whoever is asked: ``Signer`` gives a signature for a payload.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Literal

from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.git.gittext import split_person
from gitsign_py.errors import UncheckedError
from gitsign_py.policy.facts import CommitFacts, SignatureFacts
from gitsign_py.policy.trees import parse_tree
from gitsign_py.ports import ObjectKind, RawObject

ISSUER = "https://accounts.example.com"
ALICE_AND_BOB = f"""\
version = 1
administrators = ["alice"]
[people.alice]
identities = [{{ subject = "alice@example.com", issuer = "{ISSUER}" }}]
[people.bob]
identities = [{{ subject = "bob@example.com", issuer = "{ISSUER}" }}]
"""
"""How a policy with these two begins; the rules follow."""
START = datetime(2024, 1, 1, tzinfo=UTC)
Signer = Callable[[str, bytes, datetime], bytes]
"""Gives the armored signature by a person over a payload at a time."""


def email_of(person: str) -> str:
    """A person's address: names with an @ are addresses already."""
    return person if "@" in person else f"{person}@example.com"


def signed_by(person: str, at: datetime = START, **changes: object) -> SignatureFacts:
    """The facts that a good Sigstore signature by ``person`` would leave."""
    facts = {
        "status": "good",
        "form": "sigstore",
        "identity": email_of(person),
        "issuer": ISSUER,
        "times": (("log", at),),
        "log_index": 7,
        "steps": ("3.2",),
    }
    made = {**facts, **changes}
    made.setdefault("san_type", "uri" if "://" in str(made["identity"]) else "email")
    return SignatureFacts(**made)  # type: ignore[arg-type]


UNSIGNED = SignatureFacts("unsigned", reason="unsigned", message="commit has no signature")


@dataclass
class History:
    """Objects by id, the snapshot of each commit, and what its signature leaves; also both ports of a policy."""

    algorithm: Literal["sha1", "sha256"] = "sha1"
    signer: Signer | None = None
    objects: dict[str, RawObject] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: dict[str, SignatureFacts] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    clock: datetime = START

    def commit(
        self,
        *parents: str,
        by: str = "alice",
        author: str = "",
        signed: str | SignatureFacts | None = None,
        files: Mapping[str, str | None] | None = None,
        at: datetime | None = None,
        proven: datetime | None = None,
        message: str = "change",
        author_line: str = "",
    ) -> str:
        """Make a commit and give its id.

        ``signed`` names the signer (None: unsigned), ``at`` is what the commit says about its time, ``proven`` what
        its signature proves (the same unless given). ``author_line`` is a whole one. ``files`` change the first
        parent's snapshot; None deletes.
        """
        self.clock += timedelta(minutes=1)
        moment = at or self.clock
        snapshot = dict(self.files[parents[0]]) if parents else {}
        for path, text in (files or {}).items():
            if text is None:
                snapshot.pop(path, None)
            else:
                snapshot[path] = text
        lines = [f"tree {self.tree(snapshot)}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {author_line or _person(author or by, moment)}", f"committer {_person(by, moment)}"]
        lines += ["", message, ""]
        payload = "\n".join(lines).encode()
        data = self._sign(payload, signed, proven or moment)
        oid = self.add("commit", data)
        self.files[oid] = snapshot
        self.order.append(oid)
        self.facts[oid] = self._facts(signed, proven or moment)
        return oid

    def copy(self, oid: str, parent: str, *, by: str, files: Mapping[str, str | None]) -> str:
        """Make a commit with the author line and message of another one, as a rebase does."""
        made = split_commit(self.objects[oid].data)
        message = made.message.decode().removesuffix("\n")
        return self.commit(parent, by=by, author_line=made.author.decode(), message=message, files=files)

    def merge(self, ours: str, theirs: str, *, files: Mapping[str, str | None] | None = None, **rest: object) -> str:
        """Merge as git would where the sides do not conflict, then change ``files``."""
        merged = self.merged_files(ours, theirs) or self.files[ours]
        change: dict[str, str | None] = dict.fromkeys(self.files[ours])
        return self.commit(ours, theirs, files={**change, **merged, **(files or {})}, **rest)  # type: ignore[arg-type]

    def tag(self, name: str, target: str, *, by: str = "alice", signed: str | SignatureFacts | None = None) -> str:
        """Make an annotated tag of a commit and give its id."""
        self.clock += timedelta(minutes=1)
        payload = f"object {target}\ntype commit\ntag {name}\ntagger {_person(by, self.clock)}\n\n{name}\n".encode()
        signature = b""
        if isinstance(signed, str) and self.signer is not None:
            signature = self.signer(email_of(signed), payload, self.clock)
        oid = self.add("tag", payload + signature)
        self.facts[oid] = self._facts(signed, self.clock)
        return oid

    def _facts(self, signed: str | SignatureFacts | None, at: datetime) -> SignatureFacts:
        if isinstance(signed, SignatureFacts):
            return signed
        return signed_by(signed, at) if signed else UNSIGNED

    def _sign(self, payload: bytes, signed: str | SignatureFacts | None, at: datetime) -> bytes:
        if not isinstance(signed, str) or self.signer is None:
            return payload
        armored = self.signer(email_of(signed), payload, at)
        head, body = payload.split(b"\n\n", 1)
        name = b"gpgsig" if self.algorithm == "sha1" else b"gpgsig-sha256"
        return head + b"\n" + name + b" " + armored.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n\n" + body

    def add(self, kind: ObjectKind, data: bytes) -> str:
        """Store an object and give its id."""
        oid = hashlib.new(self.algorithm, b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()
        self.objects[oid] = RawObject(kind, oid, data)
        return oid

    def tree(self, files: Mapping[str, str]) -> str:
        """Store a tree of text files, given by path, and give its id."""
        here: dict[str, str] = {}
        below: dict[str, dict[str, str]] = {}
        for path, text in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = text
            else:
                here[name] = text
        entries = [(name, b"100644", self.add("blob", text.encode())) for name, text in here.items()]
        entries += [(name, b"40000", self.tree(inner)) for name, inner in below.items()]
        # git sorts folders as if their name ended in a slash (tree.c, base_name_compare)
        entries.sort(key=lambda entry: entry[0].encode() + (b"/" if entry[1] == b"40000" else b""))
        return self.add("tree", b"".join(mode + b" " + n.encode() + b"\0" + bytes.fromhex(o) for n, mode, o in entries))

    def read(self, oid: str) -> RawObject:
        """The port ObjectSource."""
        if oid not in self.objects:
            raise UncheckedError("object-missing", f"object {oid} is not there")
        return self.objects[oid]

    def commit_facts(self, oid: str) -> CommitFacts:
        """What a policy reads of a commit or tag."""
        if self.read(oid).kind == "tag":
            tagger = next(line for line in self.objects[oid].data.split(b"\n") if line.startswith(b"tagger "))
            email = split_person(tagger[7:]).email.decode()
            name = next(line for line in self.objects[oid].data.split(b"\n") if line.startswith(b"tag "))
            return CommitFacts(oid, email, email, kind="tag", name=name[4:].decode())
        commit = split_commit(self.objects[oid].data)
        author, committer = (split_person(line).email.decode() for line in (commit.author, commit.committer))
        return CommitFacts(oid, author, committer, commit.parents, commit.tree)

    def ancestors(self, oid: str) -> set[str]:
        """A commit and everything before it."""
        found: set[str] = set()
        todo = [oid]
        while todo:
            current = todo.pop()
            if current not in found:
                found.add(current)
                todo += self.commit_facts(current).parents
        return found

    def merge_bases(self, commits: tuple[str, ...]) -> tuple[str, ...]:
        """The port MergeGraph: best common ancestors."""
        common = set.intersection(*(self.ancestors(commit) for commit in commits))
        return tuple(
            one
            for one in self.order
            if one in common and not any(one != other and one in self.ancestors(other) for other in common)
        )

    def bases_of_pairs(self, commits: tuple[str, ...]) -> dict[tuple[int, int], tuple[str, ...]]:
        """The port MergeGraph: best common ancestors, pair by pair."""
        return {
            (one, other): self.merge_bases((commits[one], commits[other]))
            for one, other in combinations(range(len(commits)), 2)
        }

    def merged_files(self, ours: str, theirs: str) -> dict[str, str] | None:
        """Three-way merge file by file; None when both sides changed a file differently."""
        bases = self.merge_bases((ours, theirs))
        base = self.files[bases[0]] if bases else {}
        left, right, merged = self.files[ours], self.files[theirs], {}
        for path in {*base, *left, *right}:
            was, mine, other = base.get(path), left.get(path), right.get(path)
            if mine != other and was not in (mine, other):
                return None
            value = other if mine == was else mine
            if value is not None:
                merged[path] = value
        return merged

    def merge_tree(self, ours: str, theirs: str) -> str:
        """The port MergeGraph: the merged tree."""
        merged = self.merged_files(ours, theirs)
        return "" if merged is None else self.tree(merged)

    def merge_trees(self, base: str, ours: str, theirs: str) -> str:
        """The port MergeGraph: the merged tree of two trees that part at a third."""
        was, left, right = (dict(self._blobs(tree)) for tree in (base, ours, theirs))
        merged = {}
        for path in {*was, *left, *right}:
            before, mine, other = was.get(path), left.get(path), right.get(path)
            if mine != other and before not in (mine, other):
                return ""
            value = other if mine == before else mine
            if value is not None:
                merged[path] = self.objects[value].data.decode()
        return self.tree(merged)

    def snapshot(self, tree: str) -> dict[str, str]:
        """The files of a tree."""
        return {path: self.objects[oid].data.decode() for path, oid in self._blobs(tree)}

    def _blobs(self, tree: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        for name, entry in parse_tree(self.read(tree).data, len(tree) // 2).items():
            path = prefix + name.decode()
            if entry.is_tree:
                yield from self._blobs(entry.oid, f"{path}/")
            else:
                yield path, entry.oid

    def write(self, repository: Path, refs: Mapping[str, str]) -> None:
        """Write every object loose into the git directory ``repository`` and point ``refs`` at commits or tags."""
        for oid, item in self.objects.items():
            file = repository / "objects" / oid[:2] / oid[2:]
            if not file.exists():
                file.parent.mkdir(exist_ok=True, parents=True)
                header = b"%s %d\0" % (item.kind.encode(), len(item.data))
                file.write_bytes(zlib.compress(header + item.data, 1))
        for name, oid in refs.items():
            ref = repository / name
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(f"{oid}\n")


def _person(name: str, at: datetime) -> str:
    return f"{name.partition('@')[0].title()} <{email_of(name)}> {int(at.timestamp())} +0000"
