"""Dataclasses that check their values: what is taken as it is, converted, or refused, and when pydantic is needed."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from topicidx.checked import Checked, CheckError, Limits, Refused
from topicidx.settings import LdaSettings, ServerSettings, Settings, TrainingSettings


def _refuse_seven(value: Any) -> None:
    if value == 7:
        raise ValueError("seven is refused")


@dataclass(frozen=True, kw_only=True)
class Inner(Checked):
    name: str
    sizes: Annotated[tuple[Annotated[int, Limits(ge=2)], ...], Limits(min_length=1)] | None = None


@dataclass(frozen=True, kw_only=True)
class Outer(Checked):
    unknown: ClassVar[Literal["ignore", "forbid"]] = "ignore"

    count: int
    inner: Inner
    other: Inner | None = None
    share: Annotated[float, Limits(gt=0, lt=1)] = 0.5
    lucky: Annotated[int, Refused(_refuse_seven)] = 1
    table: dict[str, Literal["a", "b"]] = field(default_factory=dict)
    place: Path | None = None


PLAIN = {"count": 3, "inner": {"name": "x"}, "table": {"k": "a"}, "place": Path("here")}


def test_plain_values_are_taken_as_they_are() -> None:
    made = Outer.read({**PLAIN, "later": "passed over"})
    assert made == Outer(count=3, inner=Inner(name="x"), table={"k": "a"}, place=Path("here"))
    assert made.to_json() == {
        "count": 3, "inner": {"name": "x", "sizes": None}, "other": None, "share": 0.5, "lucky": 1, "table": {"k": "a"},
        "place": "here",
    }  # fmt: skip
    assert Outer.read(json.loads(json.dumps(made.to_json()))) == made
    assert made.to_json(without_defaults=True) == {
        "count": 3, "inner": {"name": "x", "sizes": None}, "table": {"k": "a"}, "place": "here",
    }  # fmt: skip


def test_others_are_converted_where_that_loses_nothing() -> None:
    made = Outer.read({"count": "3", "inner": {"name": "x", "sizes": ["4", 5.0]}, "share": ".25", "place": "here"})
    assert (made.count, made.inner.sizes, made.share, made.place) == (3, (4, 5), 0.25, Path("here"))
    assert isinstance(made.inner, Inner)
    assert Outer(count=3, inner={"name": "x"}).inner == Inner(name="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"count": "many"}, "count"),
        ({"count": None}, "count"),
        ({"inner": {}}, "inner.name"),
        ({"inner": {"name": "x", "size": 3}}, "inner.size"),
        ({"inner": {"name": "x", "sizes": []}}, "inner.sizes"),
        ({"inner": {"name": "x", "sizes": [3, 1]}}, "inner.sizes.1"),
        ({"inner": 3}, "inner"),
        ({"other": {"name": 3}}, "other.name"),
        ({"share": 1}, "share"),
        ({"share": 1.0}, "share"),
        ({"share": float("nan")}, "share"),
        ({"lucky": 7}, "lucky"),
        ({"table": {"k": "c"}}, "table.k"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], name: str) -> None:
    with pytest.raises(CheckError) as caught:
        Outer.read({**PLAIN, **values})
    assert [problem.name for problem in caught.value.problems] == [name]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(CheckError, match="seven is refused") as caught:
        Outer.read({"inner": {"name": "x"}, "lucky": 7, "share": 2})
    assert {problem.name for problem in caught.value.problems} == {"count", "lucky", "share"}


def test_values_are_checked_however_they_are_given() -> None:
    for make in (
        lambda: LdaSettings(num_topics=1),
        lambda: replace(TrainingSettings(), epochs=0),
        lambda: Settings(server=ServerSettings(), limit=0),
        lambda: Settings(collection="no spaces"),
        lambda: Settings(encoders={"lda": {}}),
    ):
        with pytest.raises(CheckError):
            make()
    assert replace(TrainingSettings(), sizes=[64, 96]).sizes == (64, 96)  # type: ignore[arg-type]
    settings = Settings(lda=LdaSettings(num_topics=7), limit=3)
    assert (settings.lda.num_topics, settings.limit) == (7, 3)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().limit = 3  # type: ignore[misc]


def test_pydantic_is_imported_where_a_glance_does_not_settle_it() -> None:
    program = (
        "import sys; from pathlib import Path; from topicidx.settings import Settings\n"
        "Settings(); Settings.load(home=Path('a'), space=Path('b'), store='c', match='mean', limit=3, seed=0)\n"
        "Settings.load(lda={'num_topics': 40, 'alpha': .5}, training={'epochs': 3}); print('pydantic' in sys.modules)\n"
        "Settings.load(collection='flickr'); print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
