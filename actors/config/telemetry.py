"""What is told of the program to those who watch it."""

from collections.abc import Iterator
from typing import Literal, get_args

import attrs

from . import checks

__all__ = ["Conventions", "TelemetryConfig"]

Conventions = Literal["2026-05", "inference"]


@attrs.frozen(kw_only=True)
class TelemetryConfig:
    """What is told of the program to those who watch it. Metrics are always there."""

    # Nobody may be there to take them, and each costs time.
    traces: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether calls are OpenTelemetry spans; needs the extra `otel`, and an SDK that the
    program has set up, which says where they go."""
    # They are people's own words.
    content: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether prompts and answers stand in the spans."""
    # What is published; the other names are proposed there, and dashboards are made of names.
    conventions: Conventions = attrs.field(
        default="2026-05", metadata=checks.one_of("version", get_args(Conventions))
    )
    """Which names OpenTelemetry's metrics of calls have: those of that month, or
    `gen_ai.client.inference.*`, which are to follow them."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        if self.content and not self.traces:
            yield "content: stands in spans, and there are none; set traces = true, too"
