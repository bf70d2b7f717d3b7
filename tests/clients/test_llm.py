"""The command `llm` of PyPI, told of our models in a file, as its documentation says."""

from pathlib import Path

import pytest

from tests.clients.environments import Client, install
from tests.fakes.commands import Server

pytestmark = pytest.mark.clients

MODELS = """
- model_id: trouper
  model_name: default
  api_base: {url}/v1
  api_key_name: trouper
"""


@pytest.fixture(scope="module")
def client() -> Client:
    return install("llm", "llm==0.36")


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_it_prompts_a_model(
    client: Client, served: Server, token: str, tmp_path: Path, how: str
) -> None:
    user = tmp_path / "llm"
    user.mkdir()
    (user / "extra-openai-models.yaml").write_text(MODELS.format(url=served.url))
    environ = {"LLM_USER_PATH": str(user)}
    client.run("llm", "keys", "set", "trouper", "--value", token, environ=environ)
    flag = () if how == "--stream" else ("--no-stream",)

    done = client.run("llm", "-m", "trouper", *flag, "hello there", environ=environ)
    more = client.run("llm", "-c", *flag, "and more", environ=environ)

    assert done.stdout.strip() == "You said: hello there", done.stderr
    assert more.stdout.strip() == "You said: and more", more.stderr
