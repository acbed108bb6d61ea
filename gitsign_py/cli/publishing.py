"""Statuses of an audit on a forge: where they go by options, settings and CI's own variables, and with which token."""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping

from gitsign_py.audit.rollup import Rollup
from gitsign_py.cli import badge, wiring
from gitsign_py.cli.text import line_of
from gitsign_py.clients import forges
from gitsign_py.clients.forges import CommitStatus, Forge
from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import check_url
from gitsign_py.core.frozen import frozen
from gitsign_py.errors import UNREACHABLE, ConfigError, ServiceError, UsageError

_TOKENS = {
    "github": ("GITHUB_TOKEN",),
    "gitlab": ("GITLAB_TOKEN", "CI_JOB_TOKEN"),
    "gitea": ("GITEA_TOKEN",),
}
_NUMBER = re.compile(r"[0-9]{1,18}\Z")


@frozen
class Publishing:
    """What to set where: for the ``head`` or for each of the ``commits``; ``report`` is the report's URL or nothing."""

    forge: Forge
    report: str = ""
    each: bool = False

    def newest(self, *, in_history: bool) -> badge.Newest | None:
        """The commits to keep in mind, where each gets a status. In the history mode parents come first."""
        return badge.newest(last=in_history) if self.each else None

    def publish(
        self, settings: wiring.Settings, heads: Iterable[str], rollup: Rollup, newest: badge.Newest | None
    ) -> bool:
        """Set the statuses of an audit; gives whether they stand. What fails is said in one line."""
        if newest is None:
            wanted: Mapping[str, CommitStatus] = dict.fromkeys(heads, badge.status_of_head(rollup, self.report))
        else:
            wanted = badge.statuses_of_commits(newest.kept, self.report)
            if newest.seen > len(newest.kept):
                print(f"gitsign-py: {len(wanted)} commits get a status, the newest of {newest.seen}", file=sys.stderr)
        with HttpSession(forges.LIMITS, network=wiring.network(settings)) as session:
            return _publish(session, self.forge, wanted)


def from_options(options: argparse.Namespace, environment: Mapping[str, str], heads: int) -> Publishing:
    """What the command line asks for; everything that is missing is said before the audit. Raises ConfigError."""
    if heads > badge.MAX_HEADS and options.publish_for == "head":
        raise UsageError(
            "publish-heads",
            f"--publish sets a status for at most {badge.MAX_HEADS} heads, and there are {heads}",
            hint="name the branches that it is for",
        )
    made = publishing(options.publish, environment, options.publish_project, options.publish_url, options.report_url)
    return Publishing(made.forge, made.report, options.publish_for == "commits")


def publishing(
    kind: str, environment: Mapping[str, str], project: str | None, api: str | None, report: str | None
) -> Publishing:
    """Put together what is given with what CI says. Raises ConfigError."""
    ci = _from_ci(kind, environment)
    name, token = _token(kind, environment)
    forge = Forge(
        kind,
        _needed(api or ci["api"], "publish-url", f"the address of {kind}'s API is not known", "--publish-url", "URL"),
        _needed(
            project or ci["project"], "publish-project", "the project is not known", "--publish-project", "OWNER/NAME"
        ),
        token,
        name == "CI_JOB_TOKEN",
        ci["pipeline"],
        ci["pipeline_commit"],
    )
    forges.check_forge(forge)
    url = report or ci["report"]
    if url:
        check_url("the report", url)
    return Publishing(forge, url)


def _from_ci(kind: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the forge's own CI sets; those of another forge's CI say nothing, nor get this one's token."""

    def get(name: str) -> str:
        return environment.get(name, "")

    found = dict.fromkeys(("api", "project", "report", "pipeline", "pipeline_commit"), "")
    if kind == "gitlab":
        pipeline = get("CI_PIPELINE_ID")
        return found | {
            "api": get("CI_API_V4_URL"),
            "project": get("CI_PROJECT_ID"),
            "report": get("CI_JOB_URL"),
            "pipeline": pipeline if _NUMBER.match(pipeline) else "",
            "pipeline_commit": get("CI_COMMIT_SHA"),
        }
    is_gitea = bool(get("GITEA_ACTIONS") or get("FORGEJO_ACTIONS"))
    if is_gitea != (kind == "gitea"):
        return found | {"api": "https://api.github.com" if kind == "github" else ""}
    server, project, run = get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")
    api = get("GITHUB_API_URL") or ("https://api.github.com" if kind == "github" else "")
    report = f"{server}/{project}/actions/runs/{run}" if server and project and run and kind == "github" else ""
    return found | {"api": api, "project": project, "report": report}


def _token(kind: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """A variable and the token in it. Raises ConfigError ``publish-token-missing``."""
    for name in _TOKENS[kind]:
        if token := environment.get(name, "").strip():
            return name, token
    raise ConfigError(
        "publish-token-missing",
        f"statuses on {kind} need a token, and {' and '.join(_TOKENS[kind])} are not set",
        hint="give the job the variable; a token is taken from nowhere else",
    )


def _needed(value: str, reason: str, words: str, option: str, form: str) -> str:
    if not value:
        raise ConfigError(reason, words, hint=f"give it by {option} {form}; in the forge's own CI its variables say it")
    return value


def _publish(session: HttpSession, forge: Forge, wanted: Mapping[str, CommitStatus]) -> bool:
    client, changed, failed = forges.StatusClient(session, forge), 0, 0
    for oid, status in wanted.items():
        try:
            changed += client.put(oid, status)
        except ServiceError as error:
            failed += 1
            print(f"gitsign-py: no status for {oid[:12]}: {line_of(error)}", file=sys.stderr)
            if error.reason in UNREACHABLE or error.facts.get("status") in (401, 403, 429):
                break  # the next one would meet the same
    told = f"{changed} set, {len(wanted) - changed - failed} were there" if not failed else "not all of them stand"
    print(f"gitsign-py: statuses on {forge.kind}: {told}", file=sys.stderr)
    return not failed
