"""A person at a terminal, for flows that talk to one: answers from a list, keeps what was shown."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Person:
    interactive: bool = True
    says_yes: bool = True
    answers: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    on_show: Callable[[str], None] = lambda _text: None

    def show(self, text: str) -> None:
        self.shown.append(text)
        self.on_show(text)

    def confirm(self, question: str) -> bool:
        self.shown.append(question)
        return self.interactive and self.says_yes

    def prompt(self, text: str) -> str:
        self.shown.append(text)
        return self.answers.pop(0) if self.answers else ""

    @property
    def everything(self) -> str:
        return "\n".join(self.shown)
