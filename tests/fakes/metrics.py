"""The names of metrics, as a scrape shows them."""

from trouper.actors.telemetry.names import Family

__all__ = ["exposed"]


def exposed(family: Family) -> str:
    """What prometheus-client makes of a name: a counter's ends in `_total`."""
    return f"{family.name}_total" if family.type == "counter" else family.name
