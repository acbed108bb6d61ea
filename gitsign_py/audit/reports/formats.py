"""The output formats of an audit: the one list that the command, its completion, its pages and the tests read."""

import importlib
from collections.abc import Callable, Mapping
from typing import TextIO, cast

from gitsign_py.audit.reports.base import ReportFormat

FORMATS: Mapping[str, str] = {
    "terminal": "terminal.TerminalReport",
    "text": "plain.TextReport",
    "json": "plain.JsonReport",
    "ndjson": "plain.NdjsonReport",
    "sarif": "sarif.SarifReport",
    "junit": "junit.JunitReport",
    "markdown": "markdown.MarkdownReport",
    "html": "html.HtmlReport",
    "gitlab": "forges.GitlabReport",
    "github": "forges.GithubReport",
    "csv": "forges.CsvReport",
}
"""Each name, and the module and class of this room. A format is loaded when it is used: rich alone costs 70 ms."""


def open_report(name: str, out: TextIO, *, verbose: bool = False) -> ReportFormat:
    """Make the format called ``name``, which writes to ``out``; ``verbose`` lists accepted commits too (text)."""
    module, _, kind = FORMATS[name].partition(".")
    made = getattr(importlib.import_module(f"gitsign_py.audit.reports.{module}"), kind)
    if name == "text":
        return cast("ReportFormat", made(out, verbose=verbose))
    return cast("Callable[[TextIO], ReportFormat]", made)(out)
