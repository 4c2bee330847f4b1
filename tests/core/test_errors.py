"""The error tree: what the docstring draws is what the classes are."""

import inspect
import re

import topicidx.errors
from topicidx.errors import FilterSyntaxError, QuerySyntaxError, SettingsError, TopicidxError


def error_classes() -> set[type[TopicidxError]]:
    return {
        value
        for _, value in inspect.getmembers(topicidx.errors, inspect.isclass)
        if issubclass(value, TopicidxError) and value.__module__ == topicidx.errors.__name__
    }


def drawn_tree() -> dict[str, str | None]:
    """The parent of each class in the docstring's drawing, by name."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in inspect.getdoc(topicidx.errors).splitlines():  # type: ignore[union-attr]
        if drawn := re.fullmatch(r"([ │├└─]*)(\w+Error)(\s{2,}.+)?", line):
            column, name = len(drawn[1]), drawn[2]
            above = [(other, parent) for other, parent in above if other < column]
            parents[name] = above[-1][1] if above else None
            above.append((column, name))
    return parents


def test_the_drawn_tree_is_the_tree_of_the_classes() -> None:
    real = {error.__name__: error.__bases__[0].__name__ for error in error_classes() - {TopicidxError}}
    assert drawn_tree() == {"TopicidxError": None, **real}
    assert len(real) > 15


def test_every_error_has_one_parent_and_says_what_it_is_for() -> None:
    for error in error_classes():
        assert len(error.__bases__) == 1
        assert error.__doc__
        assert error.__doc__.splitlines()[0].endswith(".")


def test_what_was_asked_for_wrongly_ends_with_2_and_what_could_not_be_done_with_1() -> None:
    for error in error_classes():
        assert error.exit_code == (2 if error in {SettingsError, QuerySyntaxError, FilterSyntaxError} else 1)
