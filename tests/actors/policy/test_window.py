"""How many calls there were lately."""

from hypothesis import given, strategies as st

from trouper.actors.policy.window import SPAN, Window

MOMENTS = st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=60)


def counted(calls: list[tuple[float, bool]]) -> Window:
    window = Window()
    for now, failed in calls:
        window = window.counted(now, failed=failed)
    return window


@given(MOMENTS, st.floats(200, 240))
def test_all_of_the_last_27_seconds_is_counted_and_nothing_older_than_30(
    calls: list[tuple[float, bool]], now: float
) -> None:
    calls = sorted(calls)

    window = counted(calls).at(now)

    surely = [failed for moment, failed in calls if moment >= now - SPAN * 0.9]
    perhaps = [failed for moment, failed in calls if moment >= now - SPAN]
    assert len(surely) <= window.calls <= len(perhaps)
    assert sum(surely) <= window.failures <= sum(perhaps)


@given(MOMENTS)
def test_looking_at_it_changes_nothing(calls: list[tuple[float, bool]]) -> None:
    window = counted(sorted(calls))
    assert window.at(200).at(220) == window.at(220)


def test_a_clock_that_goes_backwards_counts_as_standing_still() -> None:
    window = counted([(100.0, True), (50.0, False)])

    assert window.at(0) == window
    assert (window.calls, window.failures) == (2, 1)


def test_a_long_silence_forgets_all() -> None:
    window = counted([(1.0, True)] * 5).at(1e9)
    assert (window.calls, window.failures) == (0, 0)
