"""git's settings, read through git and typed as git types them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.errors import GitsignError
from gitsign_py.host.git.config import (
    GitConfig,
    GitValue,
    canonical,
    parse_git_config,
    read_git_config,
    to_bool,
    to_int,
    to_path,
    to_seconds,
)
from tests.support.gitrepo import ScratchRepo, environment


def test_values_come_with_scope_and_origin_in_gits_order(tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path / "repo")
    own = tmp_path / "global"
    own.write_text('[gitsign]\n\tissuer = "a b"\n\tallowedSigner = one\n[Foo "Bar.Baz"]\n\tKey = 1\n\tvalueless\n')
    repo.git("config", "gitsign.allowedSigner", "two\nlines")
    env = environment(GIT_CONFIG_GLOBAL=str(own), GIT_CONFIG_COUNT="1")
    env |= {"GIT_CONFIG_KEY_0": "gitsign.issuer", "GIT_CONFIG_VALUE_0": ""}
    config = read_git_config(env, repo.path)
    assert config.all("gitsign.allowedSigner") == (
        GitValue("one", "global", f"file:{own}"),
        GitValue("two\nlines", "local", "file:.git/config"),
    )
    assert [value.text for value in config.all("GITSIGN.Issuer")] == ["a b", ""]
    assert config.last("gitsign.issuer") == GitValue("", "command", "command line:")
    assert config.get("foo.Bar.Baz.KEY") == "1"
    assert config.get("foo.bar.baz.key") == ""
    assert config.last("foo.Bar.Baz.valueless") == GitValue(None, "global", f"file:{own}")
    assert (config.get("foo.Bar.Baz.valueless", "x"), config.get("no.such", "x")) == ("", "x")


def test_settings_are_there_outside_of_a_repository(tmp_path: Path) -> None:
    own = tmp_path / "global"
    own.write_text("[gitsign]\n\tfulcio = x\n")
    env = environment(GIT_CONFIG_GLOBAL=str(own), GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert read_git_config(env, tmp_path).get("gitsign.fulcio") == "x"


def test_a_worktrees_own_settings_count_there_alone(tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path / "repo")
    repo.commit()
    repo.git("config", "extensions.worktreeConfig", "true")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    ScratchRepo(tmp_path / "linked").git("config", "--worktree", "gitsign.fulcio", "x")
    value = read_git_config(environment(), tmp_path / "linked").last("gitsign.fulcio")
    assert value is not None
    assert (value.text, value.scope) == ("x", "worktree")
    assert read_git_config(environment(), repo.path).last("gitsign.fulcio") is None


def test_a_settings_file_with_an_error_is_quoted(tmp_path: Path) -> None:
    own = tmp_path / "global"
    own.write_text("[gitsign\n")
    with pytest.raises(GitsignError, match=f"bad config line 1 in file {own}"):
        read_git_config(environment(GIT_CONFIG_GLOBAL=str(own)), tmp_path)


def test_without_git_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(GitsignError) as caught:
        read_git_config(environment(PATH=str(tmp_path)), tmp_path)
    assert caught.value.reason == "git-missing"


def test_an_empty_configuration_has_no_values() -> None:
    assert parse_git_config(b"") == GitConfig()
    assert GitConfig().last("a.b") is None


@pytest.mark.parametrize("data", [b"local", b"local\0file:x\0", b"local\0file:x\0a.b\nc", b"\0"])
def test_output_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(GitsignError) as caught:
        parse_git_config(data)
    assert caught.value.reason == "git-config-output"


@given(st.binary())
def test_any_output_is_parsed_or_refused(data: bytes) -> None:
    for given_bytes in (data, data + b"\0"):
        try:
            parse_git_config(given_bytes)
        except GitsignError as error:
            assert error.reason == "git-config-output"  # noqa: PT017 - both ways are right here


def test_names_are_written_as_git_lists_them() -> None:
    assert canonical("GitSign.RekorMode") == "gitsign.rekormode"
    assert canonical("Remote.Origin.x.URL") == "remote.Origin.x.url"
    assert canonical("Plain") == "plain"


TEXTS = ["true", "YES", "on", "1", "2k", "-1", "0x10", "false", "No", "off", "0", "", "017", "1g"]
BAD_TEXTS = ["maybe", "1.5", "1kk", "tru", "1 0", "1_0", "\u0661", "08", "--1"]


@pytest.mark.parametrize("text", TEXTS)
def test_truth_values_are_gits(text: str, tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path)
    assert to_bool(text) == (repo.git("-c", f"a.b={text}", "config", "--type=bool", "a.b") == "true")


@pytest.mark.parametrize("text", ["1", "2k", "3M", "1g", "-1", "+5", "0x1F", "017", "0"])
def test_numbers_are_gits(text: str, tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path)
    assert to_int(text) == int(repo.git("-c", f"a.b={text}", "config", "--type=int", "a.b"))


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_what_git_does_not_take_is_refused(text: str, tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path)
    assert repo.run("-c", f"a.b={text}", "config", "--type=bool", "a.b").returncode != 0
    with pytest.raises(ValueError, match="true or false"):
        to_bool(text)
    with pytest.raises(ValueError, match="a whole number"):
        to_int(text)


def test_time_spans_are_seconds() -> None:
    assert [to_seconds(text) for text in ("10", "0.25", "3s", "0")] == [10.0, 0.25, 3.0, 0.0]
    for text in ("", "s", "-1", "1e3", "nan", "inf", "1m", "1.", ".5", " 1", "1_0", "\u0661", "9" * 9):
        with pytest.raises(ValueError, match="a number of seconds"):
            to_seconds(text)


@pytest.mark.parametrize("text", ["~/x/y", "/abs/x", "rel/x", "~root/x", "x~y"])
def test_paths_are_gits(text: str, tmp_path: Path) -> None:
    repo = ScratchRepo.init(tmp_path)
    expected = repo.git("-c", f"a.b={text}", "config", "--type=path", "a.b", HOME="/some/home")
    assert str(to_path(text, "/some/home")) == expected


def test_paths_that_mean_nothing_here_are_refused() -> None:
    for text in ("", "%(prefix)/x", "a\0b", "~no-such-user-here/x"):
        with pytest.raises(ValueError, match="a path"):
            to_path(text, "/home/x")
    assert to_path("~", "/home/x") == Path("/home/x")
