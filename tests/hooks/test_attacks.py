"""Attacks on a server by real pushes, with the policy of main and with the policy in the history: each is refused."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gitsign_py.policy.model import POLICY_PATH
from tests.support.history import START, History
from tests.support.pushserver import POLICY, Server

MAIN = "refs/heads/main"
EVERYONE = (
    POLICY[: POLICY.index("[[rules]]")]
    + '[[rules]]\nname = "secrets"\npaths = ["/secret/**"]\nallow = ["alice"]\n'
    + '[[rules]]\nname = "all"\nallow = ["alice", "bob"]\n'
)
OWN = EVERYONE.replace("bob", "mallory")


@pytest.fixture(params=["fixed", "history"])
def governed(server: Server, request: pytest.FixtureRequest) -> tuple[Server, str]:
    """A server whose main has the policy; gives it and the id of main."""
    history = server.history
    root = history.commit(by="carol", files={"a": "0"})
    intro = history.commit(root, signed="alice", files={POLICY_PATH: EVERYONE, "secret/key": "1"})
    tip = history.commit(intro, by="bob", signed="bob", files={"a": "1"})
    hook = server.bare.path / "hooks/pre-receive"
    hook.rename(hook.with_name("off"))
    assert server.push(f"{tip}:{MAIN}")[0] == 0
    hook.with_name("off").rename(hook)
    if request.param == "history":
        server.config("gitsign.policyMode", "history")
        server.config("gitsign.introduction", intro)
    else:
        server.config("gitsign.policy", f"main:{POLICY_PATH}")
    return server, tip


def bob(history: History, *parents: str, **more: object) -> str:
    return history.commit(*parents, by="bob", signed="bob", **more)  # type: ignore[arg-type]


def adds_itself(h: History, tip: str) -> str:
    return h.commit(tip, by="mallory", signed="mallory", files={POLICY_PATH: OWN})


def lets_bob_in(h: History, tip: str) -> str:
    return bob(h, tip, files={POLICY_PATH: EVERYONE.replace('administrators = ["alice"]', 'administrators = ["bob"]')})


def after_a_change_of_its_own(h: History, tip: str) -> str:
    return h.commit(adds_itself(h, tip), by="mallory", signed="mallory", files={"a": "9"})


def deletes_the_policy(h: History, tip: str) -> str:
    return bob(h, tip, files={POLICY_PATH: None})


def other_case(h: History, tip: str) -> str:
    return bob(h, tip, files={POLICY_PATH.upper().replace("POLICY.TOML", "policy.toml"): OWN})


def beside_the_policy(h: History, tip: str) -> str:
    return bob(h, tip, files={".gitsign/policy-tests.toml": "x"})


def smuggles_in_a_merge(h: History, tip: str) -> str:
    left, right = bob(h, tip, files={"b": "1"}), bob(h, tip, files={"c": "1"})
    return h.merge(left, right, by="bob", signed="bob", files={"secret/key": "2"})


def policy_change_in_a_merge(h: History, tip: str) -> str:
    left, right = bob(h, tip, files={"b": "1"}), bob(h, tip, files={"c": "1"})
    return h.merge(left, right, by="bob", signed="bob", files={POLICY_PATH: OWN})


def evil_octopus(h: History, tip: str) -> str:
    sides = [bob(h, tip, files={name: "1"}) for name in "xyz"]
    return bob(h, *sides, files={**dict.fromkeys("xyz", "1"), "secret/key": "2"})


def octopus_with_an_unsigned_side(h: History, tip: str) -> str:
    sides = [bob(h, tip, files={"x": "1"}), h.commit(tip, by="bob", files={"y": "1"})]
    return bob(h, *sides, files={"x": "1", "y": "1"})


def takes_back_an_old_secret(h: History, tip: str) -> str:
    """A merge that returns to a version that one side had left: nobody's new content, and a change all the same."""
    newer = h.commit(tip, signed="alice", files={"secret/key": "2"})
    side = bob(h, tip, files={"b": "1"})
    return h.merge(newer, side, by="bob", signed="bob", files={"secret/key": "1"})


def copies_a_signature(h: History, tip: str) -> str:
    good = bob(h, tip, files={"b": "1"})
    data = h.objects[good].data
    start = data.index(b"gpgsig ")
    header = data[start : data.index(b"\n\n", start) + 1]
    plain = h.objects[h.commit(tip, by="bob", files={"b": "2"})].data
    return h.add("commit", plain.replace(b"\n\n", b"\n" + header + b"\n", 1))


def signs_twice(h: History, tip: str) -> str:
    data = h.objects[bob(h, tip, files={"b": "1"})].data
    start = data.index(b"gpgsig ")
    header = data[start : data.index(b"\n\n", start) + 1]
    return h.add("commit", data.replace(header, header + header, 1))


def unrelated_history(h: History, tip: str) -> str:
    return h.commit(by="mallory", signed="mallory", files={POLICY_PATH: OWN})


def old_side_branch_with_its_own_policy(h: History, tip: str) -> str:
    side = h.commit(h.order[0], by="mallory", signed="mallory", files={POLICY_PATH: OWN})
    return h.commit(side, by="mallory", signed="mallory", files={"a": "9"})


def merge_of_an_old_side_branch(h: History, tip: str) -> str:
    side = h.commit(h.order[0], by="mallory", signed="mallory", files={"z": "9"})
    return h.merge(tip, side, by="bob", signed="bob")


MOVED = ("older-than-introduction", "ref-before-introduction", "policy-moved-back")
ATTACKS: dict[Callable[[History, str], str], tuple[str, ...]] = {
    adds_itself: ("signer-unknown",),
    lets_bob_in: ("policy-change",),
    after_a_change_of_its_own: ("signer-unknown",),
    deletes_the_policy: ("policy-change",),
    other_case: ("policy-change",),
    beside_the_policy: ("policy-change",),
    smuggles_in_a_merge: ("rule-refuses",),
    policy_change_in_a_merge: ("policy-change",),
    evil_octopus: ("rule-refuses",),
    octopus_with_an_unsigned_side: ("unsigned",),
    takes_back_an_old_secret: ("rule-refuses",),
    copies_a_signature: ("3.3", "content-digest-mismatch"),
    signs_twice: ("signature-duplicate",),
    unrelated_history: ("signer-unknown", *MOVED),
    old_side_branch_with_its_own_policy: ("signer-unknown", *MOVED),
    merge_of_an_old_side_branch: ("signer-unknown", "older-than-introduction"),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_refused(governed: tuple[Server, str], attack: Callable[[History, str], str]) -> None:
    """On main, on a new branch, by force, and beside honest refs: refused as a whole, for the reason it should be."""
    server, tip = governed
    evil = attack(server.history, tip)
    honest = bob(server.history, tip, files={"h": "1"})
    for refspecs in ((f"{evil}:{MAIN}",), (f"+{evil}:refs/heads/new", f"{honest}:refs/heads/honest")):
        status, said = server.push("--force", *refspecs)
        assert status != 0, said
        assert any(f"[{reason}]" in said for reason in ATTACKS[attack]), said
        assert "Traceback" not in said
        assert said.count("gitsign-py: refused: ") == 1
    assert server.ref(MAIN) == tip
    assert server.ref("refs/heads/honest") == ""
    assert server.push(f"{honest}:{MAIN}")[0] == 0, "what is honest still passes"


def test_a_ref_that_is_left_alone_vouches_for_nothing(governed: tuple[Server, str]) -> None:
    """What was pushed there was not judged, and is judged when a branch or a tag takes it in."""
    server, tip = governed
    evil = after_a_change_of_its_own(server.history, tip)
    assert server.push(f"{evil}:refs/notes/parked")[0] == 0
    for ref in (MAIN, "refs/heads/new", "refs/tags/new"):
        status, said = server.push(f"{evil}:{ref}")
        assert status != 0, ref
        assert "[signer-unknown]" in said


def test_a_tag_called_like_the_branch_brings_no_old_policy_back(server: Server) -> None:
    history = server.history
    old = history.commit(signed="alice", files={POLICY_PATH: EVERYONE.replace("bob", "mallory")})
    tip = history.commit(old, signed="alice", files={POLICY_PATH: EVERYONE})
    assert server.push(f"{tip}:{MAIN}")[0] == 0
    server.config("gitsign.policy", f"main:{POLICY_PATH}")
    assert server.push(f"{old}:refs/tags/main")[0] == 0
    evil = history.commit(tip, by="mallory", signed="mallory", files={"a": "1"})
    status, said = server.push(f"{evil}:{MAIN}")
    assert status != 0
    assert "main may be refs/heads/main or refs/tags/main; write one of them" in said
    server.config("gitsign.policy", f"{MAIN}:{POLICY_PATH}")
    assert "[signer-unknown]" in server.push(f"{evil}:{MAIN}")[1]
    assert server.push(f"{bob(history, tip)}:{MAIN}")[0] == 0


def test_an_old_release_is_no_new_one(governed: tuple[Server, str]) -> None:
    """Who may push, and may not release, names a tag anew that somebody signed who may."""
    server, tip = governed
    tag = server.history.tag("v1", tip, signed="alice")
    assert server.push(f"{tag}:refs/tags/v1")[0] == 0
    status, said = server.push(f"{tag}:refs/tags/v2")
    assert status != 0
    assert "tag calls itself v1, and is no v2 [tag-name-mismatch]" in said


@pytest.mark.parametrize("kind", ["policy deleted", "policy is a link", "folder is a link", "policy is a submodule"])
def test_not_even_an_administrator_leaves_the_history_without_a_policy(server: Server, kind: str) -> None:
    history = server.history
    intro = history.commit(signed="alice", files={POLICY_PATH: EVERYONE})
    server.config("gitsign.policyMode", "history")
    server.config("gitsign.introduction", intro)
    blob = bytes.fromhex(history.add("blob", EVERYONE.encode()))

    def tree(*entries: tuple[bytes, bytes, bytes]) -> str:
        return history.add("tree", b"".join(mode + b" " + name + b"\0" + oid for mode, name, oid in entries))

    trees = {
        "policy deleted": tree((b"100644", b"a", blob)),
        "folder is a link": tree((b"120000", b".gitsign", blob)),
        "policy is a link": tree((b"40000", b".gitsign", bytes.fromhex(tree((b"120000", b"policy.toml", blob))))),
        "policy is a submodule": tree(
            (b"40000", b".gitsign", bytes.fromhex(tree((b"160000", b"policy.toml", b"\x11" * 20))))
        ),
    }
    plain = history.objects[history.commit(intro, files={"a": "1"})].data
    own_tree = plain[5:45].decode()
    payload = plain.replace(own_tree.encode(), trees[kind].encode(), 1)
    evil = history.add("commit", history._sign(payload, "alice", history.clock))
    status, said = server.push(f"{evil}:{MAIN}")
    assert status != 0
    assert "[policy-deleted]" in said


def test_backdated_by_somebody_who_left(governed: tuple[Server, str]) -> None:
    """On an old branch, where the policy still names Bob; the dates in the commit say that it is old."""
    server, tip = governed
    left = EVERYONE.replace("[people.bob]", "[people.bob]\nuntil = 2024-01-01")
    now = server.history.commit(tip, signed="alice", files={POLICY_PATH: left})
    assert server.push(f"{now}:{MAIN}")[0] == 0
    late = START + timedelta(days=30)
    backdated = bob(server.history, tip, files={"b": "1"}, at=START, proven=late)
    status, said = server.push(f"{backdated}:refs/heads/old")
    assert status != 0
    assert "[signed-too-late]" in said


def test_an_introduction_that_is_no_ancestor(server: Server) -> None:
    history = server.history
    elsewhere = history.commit(signed="alice", files={POLICY_PATH: EVERYONE})
    mine = history.commit(signed="alice", files={POLICY_PATH: EVERYONE, "a": "1"})
    server.config("gitsign.policyMode", "history")
    server.config("gitsign.introduction", elsewhere)
    hook = server.bare.path / "hooks/pre-receive"
    hook.rename(hook.with_name("off"))
    assert server.push(f"{elsewhere}:refs/heads/elsewhere")[0] == 0
    hook.with_name("off").rename(hook)
    status, said = server.push(f"{mine}:{MAIN}")
    assert status != 0
    assert "[older-than-introduction]" in said
