"""A chat template is read from its file, and a fault names the file and what to do."""

from pathlib import Path

import pytest

from trouper.actors.local.errors import TemplateUnreadable
from trouper.actors.local.template import read_template


def test_a_template_is_the_text_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text("{{ messages }} für alle\n", "utf-8")
    assert read_template(file) == "{{ messages }} für alle\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"GGUF\xff\xfe", "it is no text in UTF-8"),
        (b" \n", "it is empty"),
        (b"x" * (256 * 1024 + 1), "it is longer than 262144 characters"),
    ],
)
def test_what_is_no_template_is_named_with_its_file(
    content: bytes | None, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "template.jinja"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TemplateUnreadable) as caught:
        read_template(file)
    assert str(caught.value) == (
        f"the chat template {file} cannot be used: {why}; mend the file, or leave chat_template "
        "out, so that the model's own is used"
    )
