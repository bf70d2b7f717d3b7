"""Packages as pip leaves them behind: modules, and what is said of them."""

from pathlib import Path

__all__ = ["install"]


def install(
    site: Path, name: str, modules: dict[str, str], entries: dict[str, dict[str, str]]
) -> None:
    """Version 1.5 of a distribution in the folder `site`: modules by name, entry points by group."""
    info = site / f"{name.replace('-', '_')}-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    lines: list[str] = []
    for group, points in entries.items():
        lines += [f"[{group}]", *(f"{point} = {value}" for point, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, code in modules.items():
        (site / f"{module}.py").write_text(code)
