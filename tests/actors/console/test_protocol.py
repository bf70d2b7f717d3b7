"""What lines are understood on the feed, and what is said of those that are not."""

import json

import pytest
from hypothesis import given, strategies as st

from trouper.actors.console.protocol import (
    ACTIONS,
    LONGEST_LINE,
    TOPICS,
    Act,
    ConsoleFault,
    Dump,
    Follow,
    Get,
    Hello,
    Inspect,
    Ping,
    Stacks,
    Subscribe,
    Trace,
    Unsubscribe,
    Word,
    allows,
    encode,
)
from trouper.actors.console.reading import read_request

UNDERSTOOD = [
    ('{"op":"hello","client":"me"}', Hello("me")),
    ('{"op":"hello","v":1}', Hello("")),
    (
        '{"op":"sub","id":1,"topics":["events"],"hz":4,"under":"/a/b","kinds":["K"]}',
        Subscribe(1, ("events",), 4.0, "a/b", ("K",)),
    ),
    ('{"op":"get","id":"x"}', Get("x", ("tree", "totals", "attention"), "", ())),
    ('{"op":"unsub"}', Unsubscribe(None, None)),
    ('{"op":"unsub","id":1,"what":"follow"}', Unsubscribe(1, "follow")),
    ('{"op":"inspect","path":"/a","want":["stack"]}', Inspect(None, "a", ("stack",), watch=False)),
    ('{"op":"watch","path":"a","want":[]}', Inspect(None, "a", (), watch=True)),
    ('{"op":"stacks","id":3,"under":"/a"}', Stacks(3, "a")),
    ('{"op":"trace","path":"a","limit":5}', Trace(None, "a", 5, 60.0, 20.0, bodies=False)),
    (
        '{"op":"act","act":"restart","path":"a","gen":2,"dry":true}',
        Act(None, "restart", "a", 2, "", dry=True, args={}),
    ),
    ('{"op":"follow","session":"a"}', Follow(None, "a", text=False, hz=4.0)),
    ('{"op":"dump","id":3}', Dump(3)),
    ('{"op":"ping","id":3}', Ping(3)),
    ("tree  providers", Word(("tree", "providers"))),
]

REFUSED = [
    ("{", "this is not JSON"),
    ('{"op":"fly"}', "no op 'fly'; there is hello, sub"),
    ('{"op":["hello"]}', "no op"),
    ('{"op":"hello","v":99}', "v is '99', and this program speaks 1"),
    ('{"op":"hello","v":"1"}', "v is '1', and this program speaks 1"),
    ('{"op":"sub","topics":["weather"]}', "topics has 'weather'; there is tree, totals"),
    ('{"op":"sub","topics":"tree"}', "topics must be a list"),
    ('{"op":"sub","kinds":[1]}', "kinds has '1'"),
    ('{"op":"unsub","what":"all"}', "what is 'all'; there is feed, watch, follow"),
    ('{"op":"unsub","what":[]}', "what is '[]'"),
    ('{"op":"sub","hz":0}', "hz must be a number above 0"),
    ('{"op":"sub","hz":true}', "hz must be a number above 0"),
    ('{"op":"inspect"}', "path must be text"),
    ('{"op":"trace","path":"a","bodies":1}', "bodies must be true or false"),
    ('{"op":"act","act":"explode","path":"a"}', "no act 'explode'; there is restart"),
    ('{"op":"act","act":"stop","path":"a","gen":"2"}', "gen must be a whole number"),
    ('{"op":"act","act":"send","path":"a","args":[]}', "args must be an object"),
    ("x" * (LONGEST_LINE + 1), "a line has at most 65536 characters"),
]


@pytest.mark.parametrize(("line", "request_"), UNDERSTOOD)
def test_a_line_is_a_request(line: str, request_: object) -> None:
    assert read_request(line) == request_


@pytest.mark.parametrize(("line", "said"), REFUSED)
def test_what_is_wrong_with_a_line_is_said(line: str, said: str) -> None:
    with pytest.raises(ConsoleFault) as caught:
        read_request(line)

    assert said in caught.value.message
    assert caught.value.code == "bad_request"


def test_the_reason_of_an_act_is_cleaned_before_anybody_has_it() -> None:
    asked = {
        "op": "act",
        "act": "trip",
        "path": "a",
        "reason": "sk-abcdefgh12345678\n\x1b[2J\u202e",
    }
    request = read_request(json.dumps(asked))

    assert isinstance(request, Act)
    assert request.reason == "[redacted] \\x1b[2J\\u202e"


def test_a_fault_names_the_request_that_it_is_of() -> None:
    with pytest.raises(ConsoleFault) as caught:
        read_request('{"op":"fly","id":7}')

    assert caught.value.id == 7


def told(line: str) -> object:
    """The request in it, or the words of the refusal; anything else is raised."""
    try:
        return read_request(line)
    except ConsoleFault as error:
        return error.message


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.text(max_size=50))
def test_no_line_is_a_surprise(line: str) -> None:
    assert told("{" + line)


@given(
    st.sampled_from(["hello", "sub", "get", "inspect", "watch", "trace", "act", "dump"]),
    st.dictionaries(
        st.sampled_from(
            ["id", "topics", "hz", "under", "kinds", "path", "want", "limit", "act", "gen", "args"]
        ),
        _JSON,
    ),
)
def test_no_field_is_a_surprise(op: str, fields: dict[str, object]) -> None:
    assert told(json.dumps({**fields, "op": op}))


def test_each_role_may_do_what_those_before_it_may() -> None:
    assert [allows("operate", least) for least in ("read", "operate", "admin")] == [
        True,
        True,
        False,
    ]
    assert set(ACTIONS.values()) == {"operate", "admin"}


def test_a_frame_is_one_line() -> None:
    assert encode({"t": "x", "words": "a\nb", "there": TOPICS[:1]}) == (
        '{"t":"x","words":"a\\nb","there":["tree"]}'
    )
