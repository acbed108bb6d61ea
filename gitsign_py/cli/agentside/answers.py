"""The client's answers when the agent asks back: a token, a consent. The agent has no terminal; the person is here."""

import os

from gitsign_py.agent.conversation import error_frame
from gitsign_py.cli import instance, wiring
from gitsign_py.cli.clock import clock_told
from gitsign_py.cli.tokens import Person, TokenFinder
from gitsign_py.errors import GitsignError, UsageError
from gitsign_py.host.consent import Publication, require_consent
from gitsign_py.host.terminal import Terminal, open_terminal

Fields = dict[str, bytes]


def answer_need(need: Fields) -> Fields:
    """Answer one ``need`` of the agent (agent.client.try_sign).

    A failure travels through the agent and comes back as its answer, so the caller tells the person in one place.
    """
    try:
        settings = wiring.load_settings(os.environ)
        with open_terminal(settings.environment, log_path=wiring.log_path(settings), now=wiring.now) as terminal:
            return _answer(need, settings, terminal)
    except GitsignError as error:
        return {**error_frame(error), "request": b"give-up"}


def _answer(need: Fields, settings: wiring.Settings, terminal: Terminal) -> Fields:
    if need.get("what") == b"token":
        chosen = instance.endpoints(settings)
        with wiring.session(settings) as http, clock_told(http):
            finder = TokenFinder(settings, chosen, http, Person(terminal, email=_text(need, "email")))
            return {"token": finder.find().raw.encode("ascii")}
    if need.get("what") == b"consent":
        publication = Publication(**{name: _text(need, name) for name in Publication.__dataclass_fields__})
        require_consent(publication, settings.config.sign_in.match_committer, wiring.consent_book(), terminal)
        return {"consent": b"yes"}
    raise UsageError("agent-need-unknown", "the agent asks for something that this version does not know")


def _text(need: Fields, name: str) -> str:
    return need.get(name, b"").decode("utf-8", "replace")
