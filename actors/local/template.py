"""The chat template that a local model is given in place of its own: a Jinja file."""

from pathlib import Path

from .errors import TemplateUnreadable

__all__ = ["read_template"]

# Characters. Those that models bring are of some thousand; what is longer is another file.
_MOST = 256 * 1024


def read_template(path: Path) -> str:
    """The text of the template. llama.cpp itself says at its start whether it is good Jinja.

    Raises TemplateUnreadable.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST + 1)
    except OSError as error:
        raise TemplateUnreadable(str(path), error.strerror or type(error).__name__) from error
    except UnicodeDecodeError as error:
        raise TemplateUnreadable(str(path), "it is no text in UTF-8") from error
    if len(text) > _MOST:
        raise TemplateUnreadable(str(path), f"it is longer than {_MOST} characters")
    if not text.strip():
        raise TemplateUnreadable(str(path), "it is empty")
    return text
