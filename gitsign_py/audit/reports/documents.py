"""The formats that are whole documents, by name."""

from collections.abc import Callable, Mapping
from typing import TextIO

from gitsign_py.audit.reports.base import ReportFormat
from gitsign_py.audit.reports.html import HtmlReport
from gitsign_py.audit.reports.junit import JunitReport
from gitsign_py.audit.reports.markdown import MarkdownReport
from gitsign_py.audit.reports.sarif import SarifReport

DOCUMENTS: Mapping[str, Callable[[TextIO], ReportFormat]] = {
    "html": HtmlReport,
    "junit": JunitReport,
    "markdown": MarkdownReport,
    "sarif": SarifReport,
}
