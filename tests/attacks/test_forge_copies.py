"""Commits that look like a forge's squash or rebase of a pull request, and bring something else.

Each attack is one commit on the main branch, in one history together, judged by a policy that lets unsigned squashes
and rebases count: whatever is not exactly a head that the policy accepts is refused, with a reason that has a name.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from gitsign_py.audit.plan import Target
from tests.support.court import Court
from tests.support.history import History, signed_by
from tests.support.pulls import FORGE, MAIN, POLICY_PATH, Pulls, policy

Attack = Callable[[Pulls], str]
ATTACKS: dict[str, tuple[Attack, str]] = {}


def refused(reason: str) -> Callable[[Attack], Attack]:
    def noted(attack: Attack) -> Attack:
        ATTACKS[attack.__name__] = attack, reason
        return attack

    return noted


def several(reason: str, **attacks: Attack) -> None:
    for name, attack in attacks.items():
        ATTACKS[name] = attack, reason


# --- something of its own --------------------------------------------------------------------------------------------


def squash_with(**files: str | None) -> Attack:
    def attack(pulls: Pulls) -> str:
        number = len(ATTACKS) + len(pulls.refs)
        head = pulls.head(number, {"src/a": f"2 of {number}", "src/c": "1"})
        named = {name.replace("__", "/"): text for name, text in files.items()}
        return pulls.squash(pulls.root, head, number, files=named)

    return attack


several(
    "forge-head-missing",
    one_byte_more=squash_with(src__a="2 "),
    one_byte_less=squash_with(src__c=""),
    another_file=squash_with(src__d="1"),
    a_secret=squash_with(secrets__key="mine"),
    a_file_less=squash_with(src__c=None),
    a_file_of_the_base_less=squash_with(README=None),
    the_old_content=squash_with(src__a="1"),
    a_look_alike=squash_with(Secrets__key="mine"),
    a_policy_of_its_own=squash_with(**{".gitsign__policy.toml": policy(first="# mine")}),
)


def tree_changed(change: Callable[[History, str], str]) -> Attack:
    """A squash whose tree is written by hand."""

    def attack(pulls: Pulls) -> str:
        number = 100 + len(pulls.refs)
        history = pulls.history
        squash = pulls.squash(pulls.root, pulls.head(number, {"src/a": "2"}), number)
        data = history.objects[squash].data
        tree = change(history, history.commit_facts(squash).tree)
        oid = history.add("commit", b"tree " + tree.encode() + data[data.index(b"\n") :])
        history.files[oid], history.facts[oid] = dict(history.files[squash]), history.facts[squash]
        return oid

    return attack


def added(row: bytes) -> Callable[[History, str], str]:
    return lambda history, tree: history.add("tree", history.objects[tree].data + row)


def replaced(old: bytes, new: bytes) -> Callable[[History, str], str]:
    return lambda history, tree: history.add("tree", history.objects[tree].data.replace(old, new))


EMPTY = bytes.fromhex("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
several(
    "forge-head-missing",
    an_empty_folder=tree_changed(added(b"40000 zz\0" + EMPTY)),
    a_link=tree_changed(added(b"120000 zz\0" + EMPTY)),
    a_submodule=tree_changed(added(b"160000 zz\0" + EMPTY)),
    an_executable=tree_changed(replaced(b"100644 README", b"100755 README")),
    a_folder_spelled_otherwise=tree_changed(replaced(b"40000 src", b"040000 src")),
)


# --- another parent, another head ------------------------------------------------------------------------------------


@refused("forge-head-missing")
def another_parent(pulls: Pulls) -> str:
    """The tree of the merge with the branch as it is, on a parent before a fix: the fix would go unseen."""
    fixed = pulls.history.commit(pulls.root, signed="alice", files={"secrets/key": "fixed"})
    head = pulls.head(200, {"src/a": "2"}, on=fixed)
    return pulls.squash(pulls.root, head, 200, files={"README": "2"})


@refused("head-not-accepted")
def a_parent_before_what_the_head_stands_on(pulls: Pulls) -> str:
    """The head stands on a commit that nobody may bring here; the squash brings both."""
    beside = pulls.history.commit(pulls.root, by="carol", signed="carol", files={"src/d": "carol's"})
    return pulls.squash(pulls.root, pulls.head(201, {"src/a": "2"}, on=beside), 201)


@refused("forge-head-missing")
def a_head_that_was_pushed_over(pulls: Pulls) -> str:
    squash = pulls.squash(pulls.root, pulls.head(202, {"src/a": "evil"}), 202)
    pulls.head(202, {"src/a": "good"})
    return squash


@refused("forge-head-missing")
def a_head_that_is_gone(pulls: Pulls) -> str:
    squash = pulls.squash(pulls.root, pulls.head(203, {"src/a": "gone"}), 203)
    del pulls.refs["refs/pull/203/head"]
    return squash


@refused("forge-head-missing")
def a_number_of_another_head(pulls: Pulls) -> str:
    pulls.head(204, {"src/a": "of 204"})
    return pulls.squash(pulls.root, pulls.head(205, {"src/a": "of 205"}), 204, files={"src/d": "of nobody"})


@refused("head-of-another")
def somebody_elses_head(pulls: Pulls) -> str:
    return pulls.squash(pulls.root, pulls.head(206, {"src/a": "206"}), 206, author="alice")


@refused("head-of-another")
def a_secret_of_alice_under_the_name_of_bob(pulls: Pulls) -> str:
    return pulls.squash(pulls.root, pulls.head(207, {"secrets/key": "2"}, by="alice"), 207, author="bob")


@refused("merge-author-unknown")
def an_author_whom_nobody_knows(pulls: Pulls) -> str:
    return pulls.squash(pulls.root, pulls.head(208, {"src/a": "208"}), 208, author="mallory")


@refused("merge-author-unknown")
def no_author(pulls: Pulls) -> str:
    return pulls.squash(pulls.root, pulls.head(209, {"src/a": "209"}), 209, author_line="nobody <> 0 +0000")


# --- heads that the policy refuses -----------------------------------------------------------------------------------


def of_head(number: int, files: dict[str, str | None], **made: object) -> Attack:
    def attack(pulls: Pulls) -> str:
        head = pulls.history.commit(pulls.root, files=files, **made)  # type: ignore[arg-type]
        pulls.refs[f"refs/pull/{number}/head"] = head
        return pulls.squash(pulls.root, head, number, author=str(made.get("author", made["by"])))

    return attack


several(
    "head-not-accepted",
    an_unsigned_head=of_head(300, {"src/a": "300"}, by="bob"),
    a_strangers_head=of_head(301, {"src/a": "301"}, by="mallory", signed="mallory", author="bob"),
    an_author_alone=of_head(302, {"src/a": "302"}, by="alice", author="bob", signed="bob"),
    a_signature_over_another_name=of_head(303, {"src/a": "303"}, by="alice", signed="bob"),
    carols_head_on_a_branch_that_is_not_hers=of_head(304, {"src/a": "304"}, by="carol", signed="carol"),
    bobs_secret=of_head(305, {"secrets/key": "305"}, by="bob", signed="bob"),
    bobs_policy=of_head(306, {POLICY_PATH: policy(first="# 306")}, by="bob", signed="bob"),
    a_head_that_says_it_is_the_forges=of_head(307, {"src/a": "307"}, by=FORGE, author="bob"),
)


@refused("head-not-accepted")
def an_unsigned_commit_among_signed_ones(pulls: Pulls) -> str:
    first = pulls.head(310, {"src/a": "310"})
    evil = pulls.history.commit(first, by="bob", files={"src/evil": "1"})
    return pulls.squash(pulls.root, pulls.head(310, {"src/b": "310"}, on=evil), 310)


@refused("head-not-accepted")
def an_unsigned_commit_that_a_signed_one_reverts_in_part(pulls: Pulls) -> str:
    evil = pulls.history.commit(pulls.root, by="bob", files={"src/evil": "1", "src/more": "1"})
    return pulls.squash(pulls.root, pulls.head(311, {"src/more": None}, on=evil), 311)


@refused("head-not-accepted")
def an_unsigned_merge_in_the_head(pulls: Pulls) -> str:
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/b": "312"})
    merge = pulls.history.merge(pulls.head(312, {"src/a": "312"}), main, by="bob", files={"src/evil": "1"})
    return pulls.squash(main, pulls.head(312, {"src/c": "312"}, on=merge), 312)


@refused("head-not-accepted")
def a_root_of_its_own(pulls: Pulls) -> str:
    """A history that has nothing to do with ours, merged into the head by somebody who may sign."""
    root = pulls.history.commit(by="mallory", files={"src/evil": "1"})
    merge = pulls.history.merge(pulls.head(313, {"src/a": "313"}), root, by="bob", signed="bob")
    pulls.refs["refs/pull/313/head"] = merge
    return pulls.squash(pulls.root, merge, 313)


@refused("merge-author-refused")
def a_path_that_only_the_merge_changes(pulls: Pulls) -> str:
    """The main branch moved a file into the secrets; git applies what Bob changed in it to where it is now."""
    text = "".join(f"{number}\n" for number in range(40))
    base = pulls.history.commit(pulls.root, signed="alice", files={"src/long": text})
    main = pulls.history.commit(base, signed="alice", files={"src/long": None, "secrets/long": text})
    pulls.head(314, {"src/long": text + "bob's\n"}, on=base)
    files = {**dict.fromkeys(pulls.history.files[main]), **pulls.history.files[main], "secrets/long": text + "bob's\n"}
    return pulls.history.commit(main, by=FORGE, author="bob", files=files, message="Do it (#314)")


@refused("head-not-accepted")
def an_octopus_in_the_head(pulls: Pulls) -> str:
    """Of three parents, one of which nobody signed."""
    ours = pulls.head(315, {"src/a": "315"})
    evil = pulls.history.commit(pulls.root, by="mallory", files={"src/evil": "315"})
    more = pulls.history.commit(pulls.root, by="bob", signed="bob", files={"src/c": "315"})
    files = {"src/evil": "315", "src/c": "315"}
    pulls.refs["refs/pull/315/head"] = pulls.history.commit(ours, more, evil, by="bob", signed="bob", files=files)
    return pulls.squash(pulls.root, pulls.refs["refs/pull/315/head"], 315)


@refused("forge-head-missing")
def a_criss_cross_that_takes_one_side_back(pulls: Pulls) -> str:
    """Two merge bases: the old value is that of one of them."""
    one = pulls.history.commit(pulls.root, signed="alice", files={"src/a": "316"})
    other = pulls.history.commit(pulls.root, by="bob", signed="bob", files={"src/b": "316"})
    main = pulls.history.merge(one, other, signed="alice")
    head = pulls.head(316, {"src/c": "316"}, on=pulls.history.merge(other, one, by="bob", signed="bob"))
    return pulls.squash(main, head, 316, files={"src/a": "1"})


@refused("unsigned")
def an_octopus_that_the_forge_would_have_made(pulls: Pulls) -> str:
    heads = [pulls.head(number, {f"src/{number}": "1"}) for number in (317, 318)]
    files = {"src/317": "1", "src/318": "1"}
    return pulls.history.commit(pulls.root, *heads, by=FORGE, author="bob", files=files, message="(#317)")


@refused("merge-not-reproducible")
def a_merge_of_one_parent_twice(pulls: Pulls) -> str:
    files = {"src/evil": "1"}
    return pulls.history.commit(pulls.root, pulls.root, by=FORGE, author="bob", files=files, message="(#319)")


# --- shapes that no forge makes --------------------------------------------------------------------------------------


@refused("unsigned")
def a_squash_without_a_parent(pulls: Pulls) -> str:
    head = pulls.head(400, {"src/a": "400"})
    return pulls.history.commit(by=FORGE, author="bob", files=dict(pulls.history.files[head]), message="(#400)")


@refused("forge-head-missing")
def a_head_that_is_in_already(pulls: Pulls) -> str:
    """An empty commit: nothing is merged."""
    head = pulls.head(401, {"src/a": "401"})
    return pulls.squash(head, head, 401)


@refused("forge-head-missing")
def a_revert_that_says_it_is_a_squash(pulls: Pulls) -> str:
    head = pulls.head(402, {"src/a": "402"})
    return pulls.history.commit(head, by=FORGE, author="bob", files={"src/a": "1"}, message="Do it (#402)")


@refused("forge-head-missing")
def a_conflict_that_somebody_resolved(pulls: Pulls) -> str:
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/a": "alice's"})
    return pulls.squash(main, pulls.head(403, {"src/a": "bob's"}), 403, files={"src/a": "both"})


@refused("forge-head-missing")
def one_side_of_a_conflict(pulls: Pulls) -> str:
    main = pulls.history.commit(pulls.root, signed="alice", files={"src/a": "alice's 404"})
    head = pulls.head(404, {"src/a": "bob's 404"})
    return pulls.history.commit(main, by=FORGE, author="bob", files={"src/a": "bob's 404"}, message=f"(#{404}) {head}")


@refused("unsigned")
def an_unsigned_commit_by_a_person(pulls: Pulls) -> str:
    return pulls.history.commit(pulls.root, by="bob", files={"src/a": "405"}, message="Do it (#405)")


@refused("signature-wrong")
def a_bad_signature_on_the_squash(pulls: Pulls) -> str:
    head = pulls.head(406, {"src/a": "406"})
    squash = pulls.squash(pulls.root, head, 406, signed="bob")
    pulls.history.facts[squash] = signed_by("bob", status="bad", reason="signature-wrong")
    return squash


@refused("head-not-accepted")
def a_bad_signature_in_the_head(pulls: Pulls) -> str:
    head = pulls.head(413, {"src/a": "413"})
    pulls.history.facts[head] = signed_by("bob", status="bad", reason="signature-wrong")
    return pulls.squash(pulls.root, head, 413)


@refused("signer-unknown")
def a_strangers_signature_on_the_squash(pulls: Pulls) -> str:
    return pulls.squash(pulls.root, pulls.head(407, {"src/a": "407"}), 407, signed="mallory")


@refused("unsigned")
def a_committer_whom_nobody_knows(pulls: Pulls) -> str:
    return pulls.squash(pulls.root, pulls.head(408, {"src/a": "408"}), 408, by="mallory")


@refused("forge-head-missing")
def a_squash_of_itself(pulls: Pulls) -> str:
    """The head is the squash: its own tree fits."""
    squash = pulls.history.commit(pulls.root, by=FORGE, author="bob", files={"src/a": "409"}, message="(#409)")
    pulls.refs["refs/pull/409/head"] = squash
    return squash


@refused("head-not-accepted")
def a_squash_of_a_squash_of_itself(pulls: Pulls) -> str:
    tip = pulls.history.commit(pulls.root, by=FORGE, author="bob", files={"src/a": "410"}, message="(#411)")
    other = pulls.history.commit(pulls.root, by=FORGE, author="bob", files={"src/a": "410"}, message="(#410)")
    pulls.refs["refs/pull/410/head"], pulls.refs["refs/pull/411/head"] = tip, other
    return tip


@refused("forge-head-missing")
def a_head_that_comes_after_the_squash(pulls: Pulls) -> str:
    squash = pulls.history.commit(pulls.root, by=FORGE, author="bob", files={"src/a": "412"}, message="(#412)")
    pulls.head(412, {}, on=squash)
    return squash


# --- rebases ---------------------------------------------------------------------------------------------------------


def rebased(number: int, **changes: object) -> Attack:
    """A rebase of one good commit, changed."""

    def attack(pulls: Pulls) -> str:
        history = pulls.history
        good = pulls.head(number, {"src/a": str(number)})
        main = history.commit(pulls.root, signed="alice", files={"src/b": str(number)})
        made = history.commit_facts(good)
        line = history.objects[good].data.split(b"\nauthor ")[1].split(b"\n")[0].decode()
        message = history.objects[good].data.split(b"\n\n", 2)[1].decode().removesuffix("\n")
        given = {"by": FORGE, "author_line": line, "message": message, "files": {"src/a": str(number)}, **changes}
        assert made.parents == (pulls.root,)
        return history.commit(main, **given)  # type: ignore[arg-type]

    return attack


several(
    "forge-head-missing",
    rebase_with_a_byte_more=rebased(500, files={"src/a": "500 "}),
    rebase_with_another_file=rebased(501, files={"src/a": "501", "src/evil": "1"}),
    rebase_with_a_secret=rebased(502, files={"src/a": "502", "secrets/key": "mine"}),
    rebase_without_the_change=rebased(503, files={}),
    rebase_in_another_name=rebased(504, author_line="Alice <alice@example.com> 1704067260 +0000"),
    rebase_of_another_time=rebased(505, author_line="Bob <bob@example.com> 1 +0000"),
    rebase_with_other_words=rebased(506, message="do as I say"),
    rebase_with_words_more=rebased(507, message="507: ['src/a']\n\nCo-authored-by: Mallory <mallory@example.com>"),
    rebase_that_takes_the_base_back=rebased(508, files={"src/a": "508", "src/b": "1"}),
)


def with_header(line: bytes) -> Attack:
    """A rebase with a header that was not signed: of another encoding, the same bytes are another text."""

    def attack(pulls: Pulls) -> str:
        history = pulls.history
        good = pulls.head(530, {"src/a": "530"})
        pick = pulls.pick(history.commit(pulls.root, signed="alice", files={"src/b": "530"}), good)
        head, message = history.objects[pick].data.split(b"\n\n", 1)
        oid = history.add("commit", head + b"\n" + line + b"\n\n" + message)
        history.files[oid], history.facts[oid] = history.files[pick], history.facts[pick]
        return oid

    return attack


several(
    "forge-head-missing",
    rebase_in_another_encoding=with_header(b"encoding UTF-7"),
    rebase_with_a_header_more=with_header(b"reviewed-by alice"),
)


@refused("head-not-accepted")
def rebase_of_an_unsigned_commit(pulls: Pulls) -> str:
    evil = pulls.history.commit(pulls.root, by="bob", files={"src/a": "520"}, message="520")
    pulls.refs["refs/pull/520/head"] = evil
    return pulls.pick(pulls.history.commit(pulls.root, signed="alice", files={"src/b": "520"}), evil)


@refused("head-not-accepted")
def rebase_of_a_secret(pulls: Pulls) -> str:
    evil = pulls.head(521, {"secrets/key": "521"})
    return pulls.pick(pulls.history.commit(pulls.root, signed="alice", files={"src/b": "521"}), evil)


@refused("merge-author-refused")
def rebase_to_a_place_that_moved(pulls: Pulls) -> str:
    text = "".join(f"{number}.\n" for number in range(40))
    base = pulls.history.commit(pulls.root, signed="alice", files={"src/long": text})
    main = pulls.history.commit(base, signed="alice", files={"src/long": None, "secrets/long": text})
    good = pulls.head(522, {"src/long": text + "bob's\n"}, on=base)
    return pulls.history.copy(good, main, by=FORGE, files={"secrets/long": text + "bob's\n"})


@pytest.mark.parametrize("mode", ["fixed", "history"])
def test_nothing_is_smuggled(tmp_path: Path, mode: str) -> None:
    assert len(ATTACKS) >= 50
    pulls, court = Pulls(), Court(tmp_path)
    made = {name: (attack(pulls), reason) for name, (attack, reason) in ATTACKS.items()}
    good = pulls.squash(pulls.root, pulls.head(1, {"src/a": "good"}), 1)
    path = court.repository(pulls.history, {MAIN: good, **pulls.refs})
    targets = [Target(MAIN, oid) for oid in (good, *(oid for oid, _ in made.values()))]
    more: dict[str, object] = {"policy": pulls.text, "introduction": pulls.root}
    if mode == "history":
        more = {"in_history": True, "introduction": pulls.root}
    records = court.audit(path, targets, **more)  # type: ignore[arg-type]
    assert records[good].verdict == "forge-squash", "so the attacks fail for what they are"
    found = {name: (records[oid].reason, records[oid].accepted) for name, (oid, _) in made.items()}
    expected = {name: (reason, False) for name, (_, reason) in made.items()}
    if mode == "history":
        expected |= {"a_squash_without_a_parent": ("older-than-introduction", False)}
    assert found == expected


def test_notes_that_lie(tmp_path: Path) -> None:
    """A note of many lines names heads that fit and that nobody signed; the number finds the one that counts."""
    pulls, court = Pulls(), Court(tmp_path)
    files = {"src/a": "2"}
    evil = [pulls.history.commit(pulls.root, by="mallory", files=files, message=str(number)) for number in range(20)]
    squash = pulls.squash(pulls.root, evil[0])
    note = "\n".join(f"gitsign-merge-head: {oid}" for oid in evil)
    notes = pulls.history.commit(files={squash: note})
    refs = {MAIN: squash, "refs/notes/gitsign-merges": notes}
    found = court.audit(court.repository(pulls.history, refs), {MAIN: squash}, policy=pulls.text)[squash]
    assert (found.reason, found.accepted) == ("head-not-accepted", False)
    refs |= {"refs/pull/7/head": pulls.head(7, files)}
    found = court.audit(court.repository(pulls.history, refs), {MAIN: squash}, policy=pulls.text)[squash]
    assert (found.verdict, found.evidence) == ("forge-squash", refs["refs/pull/7/head"])


def test_a_signer_whom_the_policy_no_longer_names(tmp_path: Path) -> None:
    """On an old branch Bob may still sign, and the author line that he signed there names Alice: it is Bob's commit."""
    pulls, court = Pulls(), Court(tmp_path)
    head = pulls.history.commit(pulls.root, by="bob", author="alice", signed="bob", files={"src/a": "2"})
    text = policy().replace("[people.bob]", "[people.dan]").replace("bob@", "dan@").replace('"bob"', '"dan"')
    main = pulls.history.commit(pulls.root, signed="alice", files={POLICY_PATH: text})
    pick = pulls.pick(main, head)
    path = court.repository(pulls.history, {MAIN: pick, "refs/pull/1/head": head})
    found = court.audit(path, {MAIN: pick}, introduction=pulls.root, in_history=True)[pick]
    assert (found.reason, found.accepted) == ("merge-author-unknown", False)
    assert found.message.startswith("bob signed")
