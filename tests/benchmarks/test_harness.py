"""The harness measures in turns, and judges by the median."""

import io

import pytest

from tests.benchmarks.harness import (
    Unavailable,
    at_least,
    at_most,
    compare,
    cpu,
    interleave,
    measure,
    print_table,
    shared,
)


def test_sides_take_turns_and_the_order_turns_round() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    figures = interleave([lambda: side("a"), lambda: side("b")], rounds=3)

    assert "".join(order) == "abbaab"
    assert figures == [[1, 4, 5], [2, 3, 6]]


def test_a_goal_is_about_the_ratio_of_medians() -> None:
    ours, reference = iter([1.0, 2.0, 90.0]), iter([8.0, 10.0, 0.1])

    row = compare(
        "x",
        lambda: next(ours),
        lambda: next(reference),
        goal=at_most(0.25),
        unit="us",
        rounds=3,
    )

    assert (row.ours, row.reference, row.ratio) == (2.0, 8.0, 0.25)
    assert row.met
    assert row.spread == (1.0, 90.0)


def test_a_goal_may_be_to_be_so_many_times_quicker() -> None:
    row = compare("x", lambda: 2.0, lambda: 8.0, goal=at_least(5), unit="us", inverse=True)

    assert row.ratio == 4.0
    assert not row.met


def test_without_a_reference_the_goal_is_about_the_figure() -> None:
    row = measure("idle actor", lambda: 8.5, goal=at_most(9), unit="KiB")

    assert row.met
    assert row.ratio is None


def test_the_table_names_what_was_missed() -> None:
    out = io.StringIO()

    print_table([measure("idle actor", lambda: 9.5, goal=at_most(9), unit="KiB")], out)

    heading, line = out.getvalue().splitlines()
    assert heading.startswith("what")
    assert line.split() == ["idle", "actor", "9.50", "KiB", "<=", "9", "NO", "9.50..9.50"]


def test_only_the_block_is_measured() -> None:
    sum(range(300_000))
    with cpu() as spent:
        pass

    assert 0 <= spent.microseconds < 5_000


def test_what_is_not_here_is_said() -> None:
    with pytest.raises(Unavailable, match="no-such-file is not here"):
        shared("no-such-file")
