"""Where a gateway can be reached, known also to those who serve nothing."""

import attrs

__all__ = ["Listening"]


@attrs.frozen
class Listening:
    """Where the gateway can be reached: `host` is an address, `port` the one that was given to it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As http://127.0.0.1:8700."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
