"""The statements of a certificate about a CI job: its name and its claim extensions, made of its token's claims.

The extensions are Fulcio's (docs/oid-info.md); the templates are what the public Fulcio makes of the claims of each CI
system (config/identity/config.yaml). ``{name}`` is a claim; one that is missing is an error.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

Text = Callable[[str], str]
"""Gives a claim's text by its name, or raises."""
Templates = Mapping[int, str]
_CLAIM = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class CiSystem:
    """``marker`` is the claim that its tokens alone have. The extensions go by the last number of their OID.

    ``raw`` are those whose value is the text itself, ``texts`` those with a DER UTF8String; of ``optional`` those are
    made whose claim is there.
    """

    marker: str
    san: str
    texts: Templates
    raw: Templates = field(default_factory=dict)
    optional: Templates = field(default_factory=dict)

    def named(self, text: Text) -> str:
        """Make the subject alternative name, a URI."""
        return fill(self.san, text)


def fill(template: str, text: Text) -> str:
    """Put the claims into a template; into a URL as parts of its path."""
    put = _path if template.startswith("https://") else str
    return _CLAIM.sub(lambda found: put(text(found[1])), template)


def _path(text: str) -> str:
    """A path of a URL as Fulcio writes it: as it stands when it is one, else percent-encoded anew (RFC 3986 §2.1).

    Go's net/url leaves brackets and the like alone in the first case and encodes them in the second.
    """
    if quote(text, safe="!$%&'()*+,/:;=@[]~") == text:
        return text
    return quote(unquote(text), safe="$&+,/:;=@~")


_GITHUB = "https://github.com/"
_GITLAB = "https://gitlab.com/{project_path}"
_BUILDKITE = "https://buildkite.com/{organization_slug}/{pipeline_slug}"
_CIRCLECI = "https://circleci.com/api/v2/"
_CIRCLECI_JOB = "workflow/{oidc.circleci.com/workflow-id}/job/{oidc.circleci.com/job-id}"
_CIRCLECI_DEFINITION = (
    _CIRCLECI + "projects/{oidc.circleci.com/project-id}"
    "/pipeline-definitions/{oidc.circleci.com/pipeline-definition-id}"
)

_CODEFRESH_BUILD = "{platform_url}/build/{workflow_id}"

CODEFRESH = CiSystem(
    marker="pipeline_id",
    san="{platform_url}/{account_name}/{pipeline_name}:{account_id}/{pipeline_id}",
    texts={9: _CODEFRESH_BUILD, 18: "{platform_url}/api/pipelines/{pipeline_id}", 21: _CODEFRESH_BUILD},
    optional={11: "{runner_environment}", 12: "{scm_repo_url}", 14: "{scm_ref}"},
)
"""Not among the others: its issuer has to say so, as no claim of its tokens is its alone."""
CODEFRESH_PLATFORM = "https://g.codefresh.io"

CI_SYSTEMS = (
    CiSystem(
        marker="job_workflow_ref",
        san=_GITHUB + "{job_workflow_ref}",
        raw={2: "{event_name}", 3: "{sha}", 4: "{workflow}", 5: "{repository}", 6: "{ref}"},
        texts={
            9: _GITHUB + "{job_workflow_ref}",
            10: "{job_workflow_sha}",
            11: "{runner_environment}",
            12: _GITHUB + "{repository}",
            13: "{sha}",
            14: "{ref}",
            15: "{repository_id}",
            16: _GITHUB + "{repository_owner}",
            17: "{repository_owner_id}",
            18: _GITHUB + "{workflow_ref}",
            19: "{workflow_sha}",
            20: "{event_name}",
            21: _GITHUB + "{repository}/actions/runs/{run_id}/attempts/{run_attempt}",
            22: "{repository_visibility}",
        },
        optional={23: "{environment}"},  # only jobs that deploy have one
    ),
    CiSystem(
        marker="ci_config_ref_uri",
        san="https://{ci_config_ref_uri}",
        texts={
            9: "https://{ci_config_ref_uri}",
            10: "{ci_config_sha}",
            11: "{runner_environment}",
            12: _GITLAB,
            13: "{sha}",
            14: "refs/{ref_type}s/{ref}",
            15: "{project_id}",
            16: "https://gitlab.com/{namespace_path}",
            17: "{namespace_id}",
            18: "https://{ci_config_ref_uri}",
            19: "{ci_config_sha}",
            20: "{pipeline_source}",
            21: _GITLAB + "/-/jobs/{job_id}",
            22: "{project_visibility}",
        },
        optional={23: "{environment}"},
    ),
    CiSystem(
        marker="pipeline_slug",
        san=_BUILDKITE,
        texts={
            11: "{runner_environment}",
            13: "{build_commit}",
            20: "{build_source}",
            21: _BUILDKITE + "/builds/{build_number}#{job_id}",
        },
    ),
    CiSystem(
        marker="oidc.circleci.com/pipeline-definition-id",
        san=_CIRCLECI_DEFINITION,
        texts={
            9: _CIRCLECI_DEFINITION,
            12: "{oidc.circleci.com/vcs-origin}",
            14: "{oidc.circleci.com/vcs-ref}",
            18: _CIRCLECI + "pipeline/{oidc.circleci.com/pipeline-id}/config",
            21: "https://app.circleci.com//" + _CIRCLECI_JOB,
        },
    ),
)
