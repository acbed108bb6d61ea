"""Frozen records behave as frozen slotted dataclasses do."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from gitsign_py.core import frozen as module
from gitsign_py.core.frozen import field, frozen, replace, slotted


@frozen
class Record:
    """A record."""

    number: int
    text: str = "x"
    items: dict[str, int] = field(default_factory=dict)
    digest: str = field(default="", compare=False)
    secret: str = field(default="s", repr=False)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("negative")

    @property
    def double(self) -> int:
        return self.number * 2


@frozen
class Other:
    number: int
    text: str = "x"


@frozen
class Empty:
    pass


@frozen
class More(Record):
    """A record with another one's fields before its own."""

    extra: int = 7


@slotted
class Counter:
    """A record that changes."""

    name: str
    count: int = 0
    seen: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        self.count += 1
        self.seen.append(number)


def test_arguments_by_position_and_by_name() -> None:
    assert Record(1, "a").text == "a"
    assert Record(number=1).items == {}
    assert Record(1).items is not Record(1).items
    assert Record(2).double == 4
    for wrong in ({}, {"number": 1, "more": 2}):
        with pytest.raises(TypeError):
            Record(**wrong)  # type: ignore[arg-type]


def test_post_init_runs() -> None:
    with pytest.raises(ValueError, match="negative"):
        Record(-1)
    with pytest.raises(ValueError, match="negative"):
        replace(Record(1), number=-1)


def test_nothing_can_be_changed_or_added() -> None:
    record = Record(1)
    for name in ("number", "new"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(record, name, 2)
    with pytest.raises(AttributeError, match="frozen"):
        del record.number
    assert not hasattr(record, "__dict__")


def test_comparing_hashing_showing() -> None:
    assert Record(1, digest="a") == Record(1, digest="b")
    assert Record(1) != Record(2)
    assert Other(1) != object()
    assert hash(Other(1)) == hash(Other(1))
    assert {Other(1), Other(1)} == {Other(1)}
    assert repr(Record(1)) == "Record(number=1, text='x', items={}, digest='')"
    assert repr(Empty()) == "Empty()"
    assert Empty() == Empty()


def test_copies_and_other_processes() -> None:
    record = Record(1, "a", {"b": 2}, "c", "d")
    assert pickle.loads(pickle.dumps(record)) == record
    assert copy.deepcopy(record) == record
    assert replace(record, text="z").text == "z"
    with pytest.raises(TypeError):
        replace(record, nothing=1)


def test_the_standard_librarys_functions_work() -> None:
    record = Record(1)
    assert dataclasses.is_dataclass(record)
    assert [one.name for one in dataclasses.fields(record)] == ["number", "text", "items", "digest", "secret"]
    assert dataclasses.asdict(record)["number"] == 1
    assert dataclasses.replace(record, number=5).number == 5


def test_matching() -> None:
    match Other(3):
        case Other(number, text):
            assert (number, text) == (3, "x")


def test_a_record_may_add_fields_to_anothers() -> None:
    more = More(1, "a", {}, "", "s", 9)
    assert (more.number, more.extra, more.double) == (1, 9, 2)
    assert More(1) == More(1) != Record(1)
    assert More(1) != More(1, extra=8)
    assert not hasattr(more, "__dict__")
    assert dataclasses.asdict(More(1))["extra"] == 7
    assert copy.copy(more) == more
    with pytest.raises(ValueError, match="negative"):
        More(-1)
    with pytest.raises(AttributeError, match="frozen"):
        more.extra = 1  # type: ignore[misc] # what is tried


def test_slotted_records_change_and_have_no_hash() -> None:
    one, other = Counter("a"), Counter("a")
    one.add(3)
    assert (one.count, one.seen, other.seen) == (1, [3], [])
    assert one != other
    other.add(3)
    assert one == other
    assert repr(one) == "Counter(name='a', count=1, seen=[3])"
    assert pickle.loads(pickle.dumps(one)) == one
    assert dataclasses.replace(one, count=5).count == 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    with pytest.raises(AttributeError):
        one.more = 1  # type: ignore[attr-defined] # what is tried


def test_the_initializer_is_compiled_when_there_are_some_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after, arguments and mistakes are the same."""
    compiled: list[type] = []
    real = module._initializer

    def counted(made: type, *rest: Any, **options: Any) -> Any:
        compiled.append(made)
        return real(made, *rest, **options)

    monkeypatch.setattr(module, "_initializer", counted)

    @frozen
    class Fresh:
        number: int
        text: str = "x"
        items: list[int] = field(default_factory=list)

        def __post_init__(self) -> None:
            self.items.append(self.number)

    made = [Fresh(number, text=str(number)) for number in range(module._FEW)]
    assert compiled == []
    made += [Fresh(number, text=str(number)) for number in range(module._FEW, 3 * module._FEW)]
    assert compiled == [Fresh]
    assert [(one.number, one.text, one.items) for one in made] == [
        (number, str(number), [number]) for number in range(3 * module._FEW)
    ]


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, "a", 2), {}), ((1,), {"number": 2}), ((1,), {"more": 2}), ((), {"text": "a"})]
)
def test_mistakes_are_told_in_the_same_words_early_and_late(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    said: list[str] = []
    for instances in (0, 3 * module._FEW):

        @frozen
        class Fresh:
            number: int
            text: str = "x"

        for number in range(instances):
            Fresh(number)
        with pytest.raises(TypeError) as raised:
            Fresh(*values, **named)
        said.append(str(raised.value))
    assert said[0] == said[1]
