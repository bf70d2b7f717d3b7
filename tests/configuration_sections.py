"""What the reference of the configuration says between its tables, and its examples.

Every example is parsed by the real parser, in tests/test_documentation.py.
"""

from trouper.actors.catalog.facts import ModelFacts
from trouper.actors.catalog.overrides import PriceOverride, PricesAbove
from trouper.actors.config import (
    AppConfig,
    BreakerConfig,
    BudgetConfig,
    ConsoleConfig,
    LocalConfig,
    ModelConfig,
    ProviderConfig,
    RetryConfig,
    ServerConfig,
    StoreConfig,
    TargetConfig,
    TelemetryConfig,
    TimeoutConfig,
    TokenConfig,
)

from .configuration_section import Section
from .configuration_sections_of_assistants import SECTIONS_OF_ASSISTANTS

__all__ = ["INTRODUCTION", "SECTIONS", "Section"]

INTRODUCTION = """
# Configuration
<!-- Written by `python -m tests.configuration_reference`, out of the classes in actors/config. -->
A configuration is one TOML file. It needs a provider, a model and an assistant; all else has a default, and the reason of a default
stands beside it in italics. What is unknown or out of range is a fault that names its key, and `trouper check FILE` says all of them
at once. What is right and will do harm all the same, such as a model that is shut down next week or a key that goes out in clear, is a
warning of `trouper check` and in the log at the start.

```toml
[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
api_keys = ["env:OPENAI_API_KEY"]

[models.default]
targets = ["openai/gpt-6.1-sol"]

[assistants.default]
model = "default"
prompt = "You are a helpful assistant."
```

- **A secret never stands in the file.** Where one is wanted there is a reference: `env:NAME` is an environment variable, `file:PATH`
  a file. Whitespace around the value is dropped.
- **Relative paths** are seen from the folder of the file.
- **Names** of providers, models, assistants and budgets have up to 64 letters, digits, dots, hyphens and underscores.
- **Times** are seconds, and may have decimals.
- **Underscores** in numbers are TOML's: `128_000`.

The same classes are made in Python, with the same checks: `AppConfig(providers={...}, models={...}, assistants={...})`, or
`structure_config(tables)` for tables that come from elsewhere; they are in `trouper.actors.config`.
"""

SECTIONS = (
    Section(
        title="The tables",
        cls=AppConfig,
        text="At the top of the file there are these tables and nothing else.",
    ),
    Section(
        title="`[server]`",
        cls=ServerConfig,
        text="Where clients connect, who may, and how much they may take.",
        example="""
[server]
listen = "0.0.0.0:8700"
tokens = ["env:TROUPER_TOKEN"]
allowed_origins = ["https://chat.example.org"]
""",
    ),
    Section(
        level=3,
        title="`[[server.tokens]]`",
        cls=TokenConfig,
        text="""
A token is a reference to a secret, or such a table. Who shows a token that is unknown is answered 401; after ten in a row from one
machine new ones are not looked at there (429), but for one in six seconds. The scopes:

| scope | what may be done |
|---|---|
| `session` | conversations over `/acp`: to open one, and to go on with one's own |
| `models` | requests to models: everything below `/v1` |
| `metrics` | to read `/metrics` |
| `console:read` | to see in the console what the program does; not what is said in conversations |
| `console:operate` | the same, and to restart, drain, open and close circuits |
| `console:admin` | the same, and to read conversations of others and change limits |

Where there are no tokens, everybody on this machine is called `local`, and has all of them but `console:admin`.
""",
        example="""
[[server.tokens]]
secret = "env:BOT_TOKEN"
name = "bot"
scopes = ["session", "models"]

[[server.tokens]]
secret = "env:OPERATOR_TOKEN"
name = "operator"
scopes = ["metrics", "console:operate"]
""",
    ),
    Section(
        title="`[store]`",
        cls=StoreConfig,
        text="Where conversations, costs and cached answers are kept: SQLite files. One process may have one open.",
        example="""
[store]
path = "trouper.db"
durability = "full"
""",
    ),
    Section(
        title="`[providers.NAME]`",
        cls=ProviderConfig,
        text="""
A provider: who is asked, with which keys, and how much it allows. A call waits until it fits into all limits of its key; without a
limit it is made at once, and the provider may refuse it.
""",
        example="""
[providers.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
api_keys = ["env:OPENAI_API_KEY", "env:OPENAI_API_KEY_2"]
requests_per_minute = 500
tokens_per_minute = 200_000

[providers.anthropic]
kind = "anthropic"
base_url = "https://api.anthropic.com"
api_keys = ["env:ANTHROPIC_API_KEY"]
input_tokens_per_minute = 450_000
output_tokens_per_minute = 90_000

[providers.box]
kind = "ollama"
base_url = "http://127.0.0.1:11434"
num_ctx = 16_384
keep_alive = "1h"

[providers.bridge]
kind = "openai"
base_url = "http://127.0.0.1:8000/v1"
lenient_finish = true
skip_malformed = 3
""",
    ),
    Section(
        level=3,
        title="`[providers.NAME.retry]`",
        cls=RetryConfig,
        text="""
Before try n a random time up to `base_delay` doubled n times is waited, at most `max_delay`; or what the provider asks for.
""",
        example="""
[providers.openai.retry]
attempts = 5
max_delay = 20.0
""",
    ),
    Section(
        level=3,
        title="`[providers.NAME.breaker]`",
        cls=BreakerConfig,
        text="""
Each model of the provider has a breaker. It looks at the calls of the last 30 seconds, and opens at once when five in a row found
nobody. While it is open nobody asks the model, and the next one of a chain is asked instead.
""",
        example="""
[providers.openai.breaker]
failure_ratio = 0.3
open_for = 10.0
""",
    ),
    Section(
        level=3,
        title="`[providers.NAME.timeouts]`",
        cls=TimeoutConfig,
        text="How long each phase of a request may take.",
        example="""
[providers.openai.timeouts]
first_event = 300.0
""",
    ),
    Section(
        level=3,
        title="`[providers.NAME.local]`",
        cls=LocalConfig,
        text="What a provider of kind `local` runs on this machine.",
        example="""
[providers.small]
kind = "local"
[providers.small.local]
model_file = "models/small.gguf"
chat_template = "models/tools.jinja"
slots = 2
""",
    ),
    Section(
        title="`[models.NAME]`",
        cls=ModelConfig,
        text="""
What users ask for by a name: a chain of targets, and how an answer is had from it. An element of `targets` is a link of the chain.
The first one is asked first, and the next one when all before it have failed or are not to be asked now. A link is a target, or a
list of targets that are as good as each other: among them the one with the fewest calls under way is asked.
""",
        example="""
[models.default]
targets = [
    "openai/gpt-6.1-sol",
    ["anthropic/claude-sonnet-5", {target = "local/smollm2", weight = 0.5}],
    {target = "openai/gpt-5.5", on = ["context_window_exceeded"]},
]
temperature = 0.2
max_output_tokens = 1_024
on_midstream = "restart"
cache = 3600
""",
    ),
    Section(
        level=3,
        title="A table in `targets`",
        cls=TargetConfig,
        text="A target of which more is said than its name.",
    ),
    *SECTIONS_OF_ASSISTANTS,
    Section(
        title='`[facts."PROVIDER/MODEL"]`',
        cls=ModelFacts,
        text="""
What is known of a model, where the table that comes with this version is wrong or silent. Only what differs is said; what nobody has
said is never refused. `trouper models` shows the table, `trouper models --config FILE` what comes of these. The table itself is
written anew by `python -m trouper.actors.catalog.refresh SOURCE.json`, where the source is LiteLLM's
`model_prices_and_context_window.json`.
""",
        example="""
[facts."openai/my-fine-tuned"]
max_input_tokens = 128_000
max_output_tokens = 16_384
shutdown = 2027-06-30
""",
    ),
    Section(
        title='`[prices."PROVIDER/MODEL"]`',
        cls=PriceOverride,
        text="""
What a model costs, in dollars a million tokens, where genai-prices is wrong or silent. `"PROVIDER/*"` are all models of a provider.
What costs nothing says so with zeros: a price that nobody knows is not taken for one.
""",
        example="""
[prices."openai/my-fine-tuned"]
input = 2.0
output = 10.0
cache_read = 0.2
tiers.batch = {input = 1.0, output = 5.0}
above = [{tokens = 272_000, input = 4.0, output = 15.0}]

[prices."box/*"]
input = 0
output = 0
""",
    ),
    Section(
        level=3,
        title="A table in `above`",
        cls=PricesAbove,
        text="The prices of a request, all of it, whose input is longer.",
    ),
    Section(
        title="`[budgets.NAME]`",
        cls=BudgetConfig,
        text="""
How much money may be spent, on whom, and within what time. Before each call the most that it can cost is set aside in every budget
that it falls under, so that calls which come at once cannot exceed one.
""",
        example="""
[budgets.daily]
limit_usd = "5.00"
per = "day"

[budgets.each-user]
limit_usd = "0.50"
per = "day"
scope = "user"

[budgets.alice]
limit_usd = "20.00"
per = "month"
scope = "user"
only = "alice"
clamp = false
""",
    ),
    Section(
        title="`[telemetry]`",
        cls=TelemetryConfig,
        text="What is told of the program to those who watch it. Metrics are always there, at `/metrics`.",
        example="""
[telemetry]
traces = true
""",
    ),
    Section(
        title="`[console]`",
        cls=ConsoleConfig,
        text="""
The debug console: `trouper ps` and its like, over a socket that only the user who runs the program can open. Crash reports and the
record of what operators did lie beside the store, as `NAME-crashes.jsonl` and `NAME-audit.jsonl`; of what was refused, as `NAME-refused.jsonl`.
""",
        example="""
[console]
role = "read"
""",
    ),
)
