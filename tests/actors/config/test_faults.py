"""What is said of each thing that can be wrong in a configuration: sentences that people read."""

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from trouper.actors.config import parse_config
from trouper.actors.errors import ConfigError

# Each of these is right by itself; a test spoils one.
SERVER = '[server]\nlisten = "127.0.0.1:0"\n'
PROVIDER = '[providers.here]\nkind = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n'
OLLAMA = PROVIDER.replace("openai", "ollama")
MODEL = '[models.default]\ntargets = ["here/m"]\n'
ASSISTANT = '[assistants.default]\nmodel = "default"\n'


def faults(text: str, folder: Path = Path(), environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, folder=folder, environ=environ or {})
    return list(caught.value.faults)


# Each case: the text, and the one sentence that is said.
ONE_FAULT = {
    "a section of a later version": (
        SERVER + PROVIDER + MODEL + ASSISTANT + "[swarm]\n",
        (
            "swarm: this version of trouper does not know this key; known: assistants, budgets, "
            "console, facts, mcp, models, prices, providers, server, store, telemetry, tools"
        ),
    ),
    "a misspelled key": (
        PROVIDER + "max_conections = 3\n" + MODEL + ASSISTANT,
        (
            "providers.here.max_conections: this version of trouper does not know this key; "
            'did you mean "max_connections"?'
        ),
    ),
    "a key of a later version": (
        PROVIDER + MODEL + ASSISTANT + "[telemetry]\nlogs = true\n",
        (
            "telemetry.logs: this version of trouper does not know this key; known: content, conventions, traces"
        ),
    ),
    "a kind of a later version": (
        '[providers.here]\nkind = "gemini"\n' + MODEL + ASSISTANT,
        (
            "providers.here.kind: this version of trouper knows no kind of provider 'gemini', and "
            "no installed package brings one; known: anthropic, local, ollama, openai, "
            "openai-responses"
        ),
    ),
    "a key of another kind": (
        PROVIDER + "num_ctx = 4096\n" + MODEL + ASSISTANT,
        'providers.here.num_ctx: only a provider with kind = "ollama" has this key',
    ),
    "a version of another kind": (
        PROVIDER + 'api_version = "2023-06-01"\n' + MODEL + ASSISTANT,
        'providers.here.api_version: only a provider with kind = "anthropic" has this key',
    ),
    "a key of some other kinds": (
        OLLAMA + "skip_malformed = 3\n" + MODEL + ASSISTANT,
        (
            'providers.here.skip_malformed: only a provider with kind = "openai" or '
            '"openai-responses" has this key'
        ),
    ),
    "a server that is believed, of another kind": (
        OLLAMA + "lenient_finish = true\n" + MODEL + ASSISTANT,
        'providers.here.lenient_finish: only a provider with kind = "openai" has this key',
    ),
    "a misspelled kind": (
        '[providers.here]\nkind = "opnai"\n' + MODEL + ASSISTANT,
        (
            "providers.here.kind: this version of trouper knows no kind of provider 'opnai', and "
            'no installed package brings one; did you mean "openai"?'
        ),
    ),
    "a kind that is no text": (
        "[providers.here]\nkind = 3\n" + MODEL + ASSISTANT,
        (
            "providers.here.kind: must be one of anthropic, local, ollama, openai, "
            "openai-responses, or the name of a plug-in, not 3"
        ),
    ),
    "no kind": (
        "[providers.here]\n" + MODEL + ASSISTANT,
        "providers.here.kind: is missing",
    ),
    "no base_url": (
        '[providers.here]\nkind = "openai"\n' + MODEL + ASSISTANT,
        (
            "providers.here.base_url: a provider of kind openai needs one, such as "
            '"https://api.openai.com/v1"'
        ),
    ),
    "a name within the provider's table": (
        PROVIDER + 'name = "there"\n' + MODEL + ASSISTANT,
        "providers.here.name: the name of the table is the provider's name; leave this out",
    ),
    "a table that is a number": (
        "server = 3\n" + PROVIDER + MODEL + ASSISTANT,
        "server: must be a table, not 3",
    ),
    "a table within that is a list": (
        PROVIDER + "retry = [1]\n" + MODEL + ASSISTANT,
        "providers.here.retry: must be a table, not a list",
    ),
    "a list that is a text": (
        PROVIDER + 'api_keys = "env:KEY"\n' + MODEL + ASSISTANT,
        "providers.here.api_keys: must be a list, not 'env:KEY'",
    ),
    "text for a number": (
        PROVIDER + 'max_connections = "64"\n' + MODEL + ASSISTANT,
        "providers.here.max_connections: must be a whole number from 1 to 1024, not '64'",
    ),
    "true for a number": (
        PROVIDER + "max_connections = true\n" + MODEL + ASSISTANT,
        "providers.here.max_connections: must be a whole number from 1 to 1024, not true",
    ),
    "a date for a number": (
        PROVIDER + "max_connections = 2026-11-21\n" + MODEL + ASSISTANT,
        "providers.here.max_connections: must be a whole number from 1 to 1024, not a date",
    ),
    "a number for an origin": (
        SERVER + "allowed_origins = [3]\n" + PROVIDER + MODEL + ASSISTANT,
        "server.allowed_origins[0]: must be text, not 3",
    ),
    "a number for a path": (
        '[providers.here]\nkind = "local"\n[providers.here.local]\nmodel_file = 3\n'
        + MODEL
        + ASSISTANT,
        "providers.here.local.model_file: must be the path of a file, not 3",
    ),
    "a target without a provider": (
        PROVIDER + '[models.default]\ntargets = ["gpt"]\n' + ASSISTANT,
        "models.default.targets[0]: must be \"provider/model\", not 'gpt'",
    ),
    "a target that is no text": (
        PROVIDER + "[models.default]\ntargets = [{}]\n" + ASSISTANT,
        "models.default.targets[0].target: is missing",
    ),
    "a target of an unknown provider": (
        PROVIDER + '[models.default]\ntargets = ["foo/m"]\n' + ASSISTANT,
        'models.default.targets[0]: no provider "foo" is configured; known: here',
    ),
    "a target of a misspelled provider": (
        PROVIDER + '[models.default]\ntargets = ["here/m", "heer/m"]\n' + ASSISTANT,
        'models.default.targets[1]: no provider "heer" is configured; did you mean "here"?',
    ),
    "an unknown model": (
        PROVIDER + MODEL + '[assistants.default]\nmodel = "large"\n',
        'assistants.default.model: no model "large" is configured; known: default',
    ),
    "no providers": (
        MODEL + ASSISTANT,
        "providers: none is configured, and at least one is needed; add [providers.openai]",
    ),
    "no models": (
        PROVIDER + ASSISTANT,
        "models: none is configured, and at least one is needed; add [models.default]",
    ),
    "no assistants": (
        PROVIDER + MODEL,
        "assistants: none is configured, and at least one is needed; add [assistants.default]",
    ),
    "a provider's name that cannot be one": (
        PROVIDER + '[providers."my box"]\nkind = "local"\n' + MODEL + ASSISTANT,
        (
            "providers.'my box': must be a name of up to 64 letters, digits, dots, hyphens and "
            "underscores, not 'my box'"
        ),
    ),
    "a model's name that cannot be one": (
        PROVIDER + MODEL + '[models."a/b"]\ntargets = ["here/m"]\n' + ASSISTANT,
        "models.'a/b': a name has up to 64 letters, digits, dots, hyphens and underscores",
    ),
    "another bind without tokens": (
        '[server]\nlisten = "0.0.0.0:8700"\n' + PROVIDER + MODEL + ASSISTANT,
        (
            "server.listen: 0.0.0.0:8700 can be reached from other machines, and no tokens are "
            'configured; add tokens = ["env:TROUPER_TOKEN"], or listen on 127.0.0.1'
        ),
    ),
    "a secret that is not set": (
        PROVIDER + 'api_keys = ["env:OPENAI_API_KEY"]\n' + MODEL + ASSISTANT,
        "providers.here.api_keys[0]: the environment variable OPENAI_API_KEY is not set",
    ),
    "a secret that stands in the file": (
        PROVIDER + 'api_keys = ["hunter2-hunter2"]\n' + MODEL + ASSISTANT,
        (
            "providers.here.api_keys[0]: a secret is not written into this file; put it into an "
            'environment variable or a file of its own, and write "env:NAME" or "file:PATH" here'
        ),
    ),
}


@pytest.mark.parametrize(("text", "sentence"), ONE_FAULT.values(), ids=ONE_FAULT.keys())
def test_a_fault_is_one_sentence_that_begins_with_its_key(text: str, sentence: str) -> None:
    assert faults(text) == [sentence]


def test_all_faults_are_said_at_once_even_where_tables_cannot_be_made() -> None:
    text = (
        'listen = "here"\n'
        '[server]\nlisten = "8700"\n'
        '[providers.here]\nkind = "openai"\nbase_url = "ftp://x"\n'
        "[providers.here.retry]\nattempts = 0\nbase_delay = -1\n"
        '[models.default]\ntargets = ["there/m"]\ntemperature = 9\n'
        "[models.odd]\ntargets = 3\n[assistants]\ndefault = 3\n"
    )

    assert faults(text) == [
        (
            'server.listen: must be HOST:PORT, such as "127.0.0.1:8700" (port 0 picks a free one), '
            "not '8700'"
        ),
        (
            "providers.here.base_url: must be an http or https URL without user, query and fragment, "
            'such as "https://api.openai.com/v1"'
        ),
        "providers.here.retry.attempts: must be a whole number from 1 to 20, not 0",
        (
            "providers.here.retry.base_delay: must be a number of seconds above 0 and up to 86400, "
            "not -1"
        ),
        "models.default.temperature: must be a number from 0 to 2, not 9",
        "models.odd.targets: must be a list, not 3",
        "assistants.default: must be a table, not 3",
        (
            "listen: this version of trouper does not know this key; known: assistants, budgets, "
            "console, facts, mcp, models, prices, providers, server, store, telemetry, tools"
        ),
        'models.default.targets[0]: no provider "there" is configured; did you mean "here"?',
    ]


def test_an_empty_file_is_told_what_it_needs() -> None:
    said = [sentence.partition(":")[0] for sentence in faults("")]

    assert said == ["providers", "models", "assistants"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[server]\nlisten 3\n",
            "line 2, column 8: is not valid TOML: Expected '=' after a key in a key/value pair",
        ),
        ('a = """\nb', "line 2, column 2: is not valid TOML: Unterminated string"),
        ("a = " + "[" * 10_000, "is nested too deeply"),
        ("a = " + "9" * 5_000, "is not valid TOML: Exceeds the limit"),
        ("[server]\n[server]\n", "line 2, column 8: is not valid TOML: Cannot declare"),
    ],
)
def test_a_fault_of_syntax_names_line_and_column(text: str, sentence: str) -> None:
    (fault,) = faults(text)

    assert fault.startswith(sentence)


def test_no_fault_shows_a_key_that_was_pasted_into_the_wrong_place() -> None:
    key = "sk-proj-abcdefghijklmnop"
    text = (
        f'[providers.here]\nkind = "{key}"\nbase_url = "https://me:{key}@x"\n'
        f'api_keys = ["{key}", "env:{key}"]\nmax_connections = "{key}"\n'
        f'[models.default]\ntargets = ["{key}", {{target = "{key}", on = ["{key}"]}}]\n'
        f'[budgets.b]\nlimit_usd = "{key}"\nper = "{key}"\nscope = "model"\nonly = "{key}"\n'
        f'[store]\ndurability = "{key}"\n'
    )

    assert key not in "\n".join(faults(text))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


# A busy machine takes longer than the 0.2 s that hypothesis allows by itself.
@settings(deadline=None)
@given(
    st.sampled_from(
        [
            "server",
            "providers",
            "models",
            "assistants",
            "tools",
            "mcp",
            "budgets",
            "facts",
            "prices",
            "store",
        ]
    ),
    st.sampled_from(
        [
            "kind",
            "listen",
            "tokens",
            "retry",
            "targets",
            "model",
            "base_url",
            "local",
            "options",
            "only",
            "scope",
            "limit_usd",
            "path",
            "input",
            "shutdown",
            "apis",
            "prompt",
            "variables",
            "tools",
            "kinds",
            "command",
            "env",
            "url",
            "token",
            "headers",
            "cwd",
        ]
    ),
    st.text("abc\n\x1b[]= '\"", max_size=12),
    json_like,
)
def test_whatever_stands_in_a_file_is_a_configuration_or_a_list_of_faults(
    section: str, key: str, word: str, value: object
) -> None:
    from_toml = {"text": repr(word), "value": _toml(value)}
    for piece in from_toml.values():
        text = f"[{section}]\n{key} = {piece}\n[{section}.x]\n{key} = {piece}\n"
        said = faults(text)

        assert said
        assert all(": " in fault and fault.isprintable() for fault in said)


def _toml(value: object) -> str:
    match value:
        case None:
            return "1979-05-27"
        case bool():
            return str(value).lower()
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
        case str():
            return '"' + "".join(f"\\U{ord(c):08X}" for c in value if not _lone(c)) + '"'
        case _:
            return str(value)


def _lone(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
