"""Says which source files are longer than a reader should be asked to read; exit code 1 if any."""

import sys
from pathlib import Path

STOP_AT = 400
ROOT = Path(__file__).resolve().parents[1]
SKIPPED = ("importroot", ".venv", "__pycache__")


def too_long() -> list[str]:
    """Each file over the bound, with its length."""
    found: list[str] = []
    for folder in ("runtime", "actors", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not any(part in SKIPPED for part in path.parts):
                lines = len(path.read_text().splitlines())
                if lines > STOP_AT:
                    found.append(f"{path.relative_to(ROOT)}: {lines} lines; stop at {STOP_AT}")
    return found


if __name__ == "__main__":
    faults = too_long()
    print("\n".join(faults) or f"no file is longer than {STOP_AT} lines")
    sys.exit(1 if faults else 0)
