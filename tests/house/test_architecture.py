"""docs/architecture.md speaks of the code as it is: tables, paths, drawings, the order of imports, eight questions."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.house.test_imports import _PURE as PURE
from tests.house.test_imports import ROOMS as IMPORTS
from tests.support.docs import DOCS, generator
from tests.support.source import PACKAGE, modules, tree

PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
GENERATOR = generator("generate_rooms")


def part(heading: str) -> str:
    return PAGE.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]


def test_the_tables_are_up_to_date() -> None:
    """To write them anew: python docs/generate_rooms.py."""
    rewritten: Callable[[str], str] = GENERATOR.rewritten
    assert rewritten(PAGE) == PAGE


def test_every_room_has_a_table() -> None:
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in modules()} - {"."}
    assert folders == set(GENERATOR.ROOMS)


def test_every_row_is_a_whole_sentence() -> None:
    first_sentence: Callable[[Path], str] = GENERATOR.first_sentence
    for path in modules():
        text = " ".join((ast.get_docstring(tree(path)) or "").split("\n\n")[0].split())
        sentence, plain = first_sentence(path), re.sub(r":\w+:(?=`)", "", text).replace("``", "`")
        assert plain == sentence or plain.startswith(f"{sentence}."), path


def test_the_imports_are_those_that_are_kept() -> None:
    rows = dict(re.findall(r"^\| (\S+) \| (.+) \|$", part("## Import direction"), re.MULTILINE))
    assert rows.pop("room") == "may import"
    assert rows.pop("cli") == "everything"
    assert {room: _expanded(words) for room, words in rows.items()} == {room: set(may) for room, may in IMPORTS.items()}


def _expanded(words: str) -> set[str]:
    names = set() if words == "nothing" else set(words.split(", "))
    return names - {"*pure*"} | set(PURE) if "*pure*" in names else names


def test_the_paths_are_there() -> None:
    paths = re.findall(r"`([a-z_/0-9]+\.py)`", PAGE)
    assert len(paths) > 40
    gone = [path for path in paths if not ((PACKAGE / path).is_file() or (PACKAGE.parent / path).is_file())]
    assert gone == []


def test_the_modules_in_the_drawings_are_there() -> None:
    drawings = "\n".join(
        PAGE.split("```mermaid\n")[i].split("```")[0] for i in range(1, PAGE.count("```mermaid\n") + 1)
    )
    paths = re.findall(r'"((?:[a-z]+/)+[a-z_]+)', drawings)
    assert len(paths) > 15
    assert [path for path in paths if not (PACKAGE / f"{path}.py").is_file() and not (PACKAGE / path).is_dir()] == []


def questions() -> Iterator[str]:
    text = part("### Eight questions")
    yield from (" ".join(each.split()) for each in re.findall(r"^- .+(?:\n  .+)*", text, re.MULTILINE))


def test_each_question_takes_at_most_three_files() -> None:
    found = list(questions())
    assert len(found) == 8
    for question in found:
        files = re.findall(r"`([a-z_/0-9]+\.py)`", question)
        assert 1 <= len(files) <= 3, question
        text = "".join((PACKAGE / file).read_text() for file in files)
        for name in re.findall(r"[(,] ?(?:and )?`([A-Za-z_]+)`", question):
            assert re.search(rf"^ *(?:(?:def|class) {name}\b|{name}(?::.*)? = )", text, re.MULTILINE), (question, name)
