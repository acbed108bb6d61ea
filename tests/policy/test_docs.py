"""The example of docs/policy.md is a policy, and its case passes."""

import re
from pathlib import Path

from gitsign_py.policy.cases import parse_cases, run_cases
from gitsign_py.policy.parse import parse_policy

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text()
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def blocks() -> list[str]:
    return [part.split("```")[0] for part in PAGE.split("```toml\n")[1:]]


def test_example() -> None:
    text = blocks()[0].replace("<full commit id>", "1" * 40).replace("<full id>", "2" * 40)
    text = text.replace('keys = ["bob-pgp", "bob-smime"]', 'keys = ["bob-pgp", "bob-smime", "bob-ssh"]')
    policy = parse_policy(text.replace("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI...", SSH).encode(), "docs/policy.md")
    assert [good for _, _, good in run_cases(policy, parse_cases(blocks()[1].encode(), "docs"))] == [True]


def test_every_reason_of_the_code_is_on_the_page() -> None:
    root = Path(__file__).resolve().parents[2] / "gitsign_py" / "policy"
    names = ("evaluation.py", "signers.py", "merges.py", "copies.py", "approvals.py", "history.py")
    code = "".join((root / name).read_text() for name in names)
    reasons = set(re.findall(r'(?:refused\(|"unauthorised",\s*)"([a-z]+(?:-[a-z]+)+)"', code))
    assert len(reasons) > 10
    assert not {reason for reason in reasons if reason not in PAGE}
