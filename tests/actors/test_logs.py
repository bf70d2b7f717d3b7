"""A log line is one line, short, without secrets and control characters, whatever is logged."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, strategies as st
from structlog.typing import EventDict

from trouper.actors import logs
from trouper.actors.config import Secret

SECRET = "odd.looking/secret~123"


def line(**fields: Any) -> str:
    """What is written of `fields`, without its time."""
    return logs.render(None, "info", {"event": "said", **fields}).partition(" ")[2]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure_logging("info", stream)
    yield stream
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, logs._FromLogging)]:
        root.removeHandler(handler)


def test_time_level_msg_and_actor_come_first() -> None:
    text = logs.render(None, "warning", {"restarts": 3, "actor": "/a/b", "event": "it is back"})

    time, _, rest = text.partition(" ")
    assert time.startswith("time=20")
    assert time.endswith("Z")
    assert rest == 'level=WARNING msg="it is back" actor=/a/b restarts=3'


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"text": "a b"}, 'text="a b"'),
        ({"text": 'say "a"'}, r'text="say \"a\""'),
        ({"text": "a\nb c"}, r'text="a\nb c"'),
        ({"text": "esc\x1b[31m"}, r"text=esc\x1b[31m"),
        ({"text": "a\tb\rc\x00\x7f"}, r"text=a\x09b\x0dc\x00\x7f"),
        ({"text": "\u202eabc\u2028\ud800\x9b"}, r"text=\u202eabc\u2028\ud800\x9b"),
        ({"text": "Grüße 你好"}, 'text="Grüße 你好"'),
        ({"yes": True, "no": False, "n": 3, "x": 0.5}, "yes=true no=false n=3 x=0.5"),
        ({"nothing": None, "n": 1}, "n=1"),
        ({"empty": ""}, "empty="),
        ({"a key": 1, 'b="': 2, "\x1b": 3, "": 4}, "a_key=1 b__=2 _=3 __=4"),
        ({"a b": 1, "a_b": 2}, "a_b=1 a_b_=2"),
        ({"raw": b"\x00\xff"}, r"raw=b'\\x00\\xff'".replace(r"\\", "\\")),
        ({"many": [1, "two", {"x": 3.5}]}, 'many="[1, two, {x: 3.5}]"'),
        ({"many": list(range(18))}, 'many="[' + ", ".join(map(str, range(16))) + ', and 2 more]"'),
        ({"deep": [[[["x"]]]]}, "deep=[[[['x']]]]"),
        ({"type": ValueError}, "type=\"<class 'ValueError'>\""),
        ({"level": "mine", "time": "mine", "msg": "mine"}, ""),
    ],
)
def test_a_field_is_written_so_that_one_line_stays_one_line(
    fields: dict[str, Any], written: str
) -> None:
    assert line(**fields) == f"level=INFO msg=said {written}".rstrip()


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"api_key": "anything", "Set-Cookie": "a=b"}, "api_key=[redacted] Set-Cookie=[redacted]"),
        ({"tokens": ["one", "two"], "token": True}, "tokens=[redacted] token=true"),
        ({"output_tokens": 12}, "output_tokens=12"),
        ({"text": "key sk-abcdefgh1234 rejected"}, 'text="key [redacted] rejected"'),
        ({"headers": {"x-api-key": "odd", "a": 1}}, 'headers="{x-api-key: [redacted], a: 1}"'),
        ({"text": f"it says {SECRET}"}, 'text="it says [redacted]"'),
        ({"secrets_of": [Secret(SECRET, "env:KEY")]}, "secrets_of=[Secret(env:KEY)]"),
        ({f"x{SECRET}": 1}, "x[redacted]=1"),
    ],
)
def test_a_secret_is_masked_by_its_name_its_look_and_because_it_is_one(
    fields: dict[str, Any], written: str
) -> None:
    Secret(SECRET)

    assert line(**fields) == f"level=INFO msg=said {written}"


def test_the_message_itself_is_masked_too() -> None:
    assert 'msg="key [redacted]"' in logs.render(None, "error", {"event": "key sk-abcdefgh1234"})


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


class Loud(str):
    def __str__(self) -> str:
        return "\x1b[31mLOUD"


def test_a_value_that_cannot_be_shown_is_named_by_its_type() -> None:
    assert line(it=Hostile(), n=10**5000).endswith(
        'it="<Hostile that cannot be shown: RuntimeError>" '
        'n="<int that cannot be shown: ValueError>"'
    )
    assert line(it=Loud("quiet")).endswith("it=quiet")


def test_an_exception_becomes_fields_with_the_place_where_it_was_raised() -> None:
    def fail() -> None:
        password = "hunter2-hunter2"
        raise ValueError(f"bad {len(password)}\nvalue")

    for form in ("true", "instance", "tuple"):
        fields: EventDict = {}
        try:
            fail()
        except ValueError as error:
            forms = {"true": True, "instance": error, "tuple": (ValueError, error, None)}
            fields = logs.exception_fields({"exc_info": forms[form], "n": 1})
        assert fields["error"] == "ValueError: bad 15\nvalue"
        assert fields["at"].endswith("in fail")
        assert fields["traceback"].startswith("Traceback (most recent call last)")
        assert "hunter2" not in fields["traceback"]
        assert fields["n"] == 1


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert logs.exception_fields({"exc_info": KeyError("x")})["error"] == "KeyError: 'x'"
    assert "at" not in logs.exception_fields({"exc_info": KeyError("x")})


@pytest.mark.parametrize("info", [None, False, True, (None, None, None), "text"])
def test_without_an_exception_there_are_no_fields_of_one(info: object) -> None:
    assert logs.exception_fields({"exc_info": info, "n": 1}) == {"n": 1}


def test_a_long_value_is_cut_and_says_how_long_it_was() -> None:
    assert line(text="x" * 5_000).endswith('x [...] (5000 characters)"')
    assert len(line(text="x" * 1_000_000)) < logs.MAX_VALUE + 100


def test_of_a_long_traceback_the_end_is_kept() -> None:
    error = ValueError("a" * 20_000 + " the end")

    text = line(exc_info=error)

    assert "[...] " in text
    assert 'the end"' in text
    assert len(text) < 20_000


@pytest.mark.parametrize("before", range(2_040, 2_050))
def test_a_secret_that_the_cut_goes_through_does_not_show_its_first_half(before: int) -> None:
    Secret(SECRET)

    assert "odd.look" not in line(text="-" * before + SECRET + "-" * 9_000)
    assert "odd.look" not in line(text="-" * (before + 4_096) + SECRET + "-" * 9_000)
    assert "ret~123" not in line(traceback="-" * 9_000 + SECRET + "-" * (8_192 - before % 22))


def test_a_line_has_a_bound_and_says_what_it_left_out() -> None:
    text = line(**{f"f{n}": "x" * 1_000 for n in range(40)}, actor="/a")

    assert text.startswith("level=INFO msg=said actor=/a f0=")
    assert text.endswith(" cut=24")
    assert line(**{f"f{n}": n for n in range(60)}).endswith("cut=13")


def test_a_line_that_cannot_be_made_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(logs, "_PROCESSORS", (fail,))

    assert logs.render(None, "info", {"event": "said"}) == (
        'level=ERROR msg="a log line could not be made" error=ZeroDivisionError'
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.builds(Hostile)
    | st.text() | st.text("\x1b\r\n\t\x00 \"=\\ab\u2028\ud800", max_size=20)
    | st.tuples(st.text(), st.text()).map(lambda pair: pair[0] + SECRET + pair[1]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(
        st.text() | st.just(f"x{SECRET}") | st.sampled_from(["event", "exc_info"]), values
    ),
    st.sampled_from(["info", "exception", "warn", ""]),
)
def test_any_fields_give_one_printable_line_of_bounded_length_without_the_secret(
    fields: dict[str, Any], method: str
) -> None:
    Secret(SECRET)

    text = logs.render(None, method, {"event": "said", **fields})

    assert text.isprintable()
    assert SECRET not in text
    assert len(text) < 40_000
    assert "could not be made" not in text


def test_a_logger_writes_its_lines_to_the_stream_from_its_level_on(written: io.StringIO) -> None:
    log = structlog.get_logger("x")

    log.debug("not this")
    log.info("this", n=1)
    with structlog.contextvars.bound_contextvars(session="s1"):
        log.bind(actor="/a").error("and this")
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("it failed")

    first, second, third = written.getvalue().splitlines()
    assert first.endswith(" level=INFO msg=this n=1")
    assert second.endswith(' level=ERROR msg="and this" actor=/a session=s1')
    assert ' level=ERROR msg="it failed" error="ValueError: why" at=' in third


def test_what_libraries_log_goes_the_same_way_from_warnings_on(written: io.StringIO) -> None:
    library = logging.getLogger("some.library")
    logs.configure_logging("info", written)  # a second time, and still one line each
    (ours,) = [h.handle for h in logging.getLogger().handlers if isinstance(h, logs._FromLogging)]

    library.info("GET http://x")
    library.warning("token %s\x1b", "sk-abcdefgh1234")
    ours(library.makeRecord("some.library", logging.WARNING, "", 1, "wrong %d", ("x",), None))
    library.log(35, "between two levels")

    assert [text.partition(" ")[2] for text in written.getvalue().splitlines()] == [
        r'level=WARNING msg="token [redacted]\\x1b" logger=some.library',
        'level=WARNING msg="wrong %d" logger=some.library',
        'level=WARNING msg="between two levels" logger=some.library',
    ]


def test_a_closed_stream_loses_lines_and_harms_nobody(written: io.StringIO) -> None:
    written.close()

    structlog.get_logger().warning("nobody reads this")

    assert written.closed


def test_a_stream_of_a_narrow_encoding_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    logs._Lines(stream).msg("Grüße")

    assert raw.getvalue() == b"Gr\\xfc\\xdfe\n"


def test_an_unknown_level_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"^no log level 'loud'; known: debug, info, warning, "):
        logs.configure_logging("loud")


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(("level", "tells"), [("debug", True), ("info", True), ("warning", False)])
def test_whether_info_is_told_may_be_asked_beforehand(level: str, *, tells: bool) -> None:
    logs.configure_logging(level, io.StringIO())

    assert logs.tells_info() is tells


@pytest.mark.usefixtures("written")
def test_a_program_that_has_set_up_structlog_by_itself_is_told_of_info() -> None:
    logs.configure_logging("error", io.StringIO())
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(10))

    assert logs.tells_info()


@pytest.fixture
def nothing_set_up() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("nothing_set_up")
def test_who_embeds_and_has_set_up_nothing_hears_warnings_on_stderr_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handlers = list(logging.getLogger().handlers)

    logs.log_by_default()
    structlog.get_logger("trouper.keys").info("all is well")
    structlog.get_logger("trouper.keys").warning("a key was refused", api_key="sk-0123456789abcdef")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert 'msg="a key was refused"' in err
    assert "sk-0123456789abcdef" not in err
    assert logging.getLogger().handlers == handlers


@pytest.mark.usefixtures("nothing_set_up")
def test_who_has_set_up_structlog_keeps_it() -> None:
    mine = [structlog.processors.JSONRenderer()]
    structlog.configure(processors=mine)

    logs.log_by_default()

    assert structlog.get_config()["processors"] == mine


@pytest.mark.usefixtures("nothing_set_up")
def test_embedding_silenced_a_program_that_uses_structlog_as_it_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = structlog.get_logger("mybot")
    log.info("said", user="x")
    before = capsys.readouterr().out.partition("[")[2]

    logs.log_by_default()
    logs.change_level("critical")
    log.info("said", user="x")
    unnamed = structlog.get_logger()
    unnamed.bind(user="y").info("so said")

    out, err = capsys.readouterr()
    assert "said" in before
    assert out.partition("[")[2].startswith(before)
    assert "so said" in out
    assert err == ""


@pytest.mark.usefixtures("nothing_set_up")
def test_who_captures_log_lines_has_both_trouper_s_and_the_program_s() -> None:
    logs.log_by_default()

    with structlog.testing.capture_logs() as lines:
        structlog.get_logger("mybot").info("mine")
        structlog.get_logger("trouper.keys").warning("yours")

    assert [line["event"] for line in lines] == ["mine", "yours"]


@pytest.mark.usefixtures("nothing_set_up")
def test_a_program_that_sets_up_structlog_later_has_it_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.log_by_default()
    assert (logs.current_level(), logs.tells_info()) == ("warning", False)

    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    structlog.get_logger("trouper.keys").info("yours")

    assert capsys.readouterr().out == "event='yours'\n"
    assert (logs.current_level(), logs.tells_info()) == (None, True)
