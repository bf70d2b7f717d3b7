"""What the reference of the configuration says of assistants and of their tools."""

from trouper.actors.config import AssistantConfig, KindConfig, McpConfig, ToolConfig

from .configuration_section import Section

__all__ = ["SECTIONS_OF_ASSISTANTS"]

SECTIONS_OF_ASSISTANTS = (
    Section(
        title="`[assistants.NAME]`",
        cls=AssistantConfig,
        text="""
Whom users talk with. Who names none gets the one called `default`, or the first one. The variables that every prompt has are
`{assistant}`, `{date}`, `{model}`, `{session}`, `{tools}`, `{user}` and `{weekday}`.
""",
        example="""
[assistants.default]
model = "default"
description = "Answers questions of guests"
prompt = "You answer guests of {place}, in few words. Today is {weekday}, {date}."
variables = {place = "the town library"}
tools = ["clock", "summarize", "github/search_*"]
temperature = 0.2
""",
    ),
    Section(
        level=3,
        title="`[assistants.NAME.kinds.KIND]`",
        cls=KindConfig,
        text="""
A kind of task, known by words or by length, that the model is asked differently for. The first kind of the file that fits a prompt
decides; the rest of the turn is asked alike.
""",
        example="""
[assistants.default.kinds.code]
words = ["code", "function", "algorithm", "debug"]
temperature = 0.1
max_output_tokens = 4_096

[assistants.default.kinds.creative]
words = ["story", "poem", "imagine", "narrative"]
temperature = 0.9

[assistants.default.kinds.long]
longer_than = 500
reasoning_effort = "high"
""",
    ),
    Section(
        title="`[tools.NAME]`",
        cls=ToolConfig,
        text="""
A program as a tool, for the assistants whose `tools` name it: its arguments come as JSON on stdin, its result is what it prints. It
runs without a shell and in a process group of its own. Name, `description` and `parameters` are those of the JSON
`{"name", "description", "parameters"}` that OpenAI's API takes.
""",
        example="""
[tools.summarize]
command = ["python3", "summarize.py"]
description = "Shorten a text to its main points. Use it for what is longer than a page."
timeout = 20.0
env = {API_TOKEN = "env:SUMMARY_TOKEN", LEVEL = "text:brief"}
[tools.summarize.parameters]
type = "object"
required = ["text"]
properties.text = {type = "string", description = "What is to be shortened"}
""",
    ),
    Section(
        title="`[mcp.NAME]`",
        cls=McpConfig,
        text="""
An MCP server, as a supervised part of the program: a program that speaks on stdin and stdout (`command`), or a `url`. Its tools are
called `NAME__TOOL` by models, and `"NAME/TOOL"` in an assistant's `tools`. It needs the extra: `pip install 'trouper[mcp]'`.
""",
        example="""
[mcp.time]
command = ["uvx", "mcp-server-time", "--local-timezone", "Europe/Paris"]

[mcp.github]
url = "https://api.githubcopilot.com/mcp/"
token = "env:GITHUB_TOKEN"
approval = "always"
""",
    ),
)
