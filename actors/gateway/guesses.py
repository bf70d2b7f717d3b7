"""How often somebody may be wrong about a token before nobody listens: a decision, no I/O.

Wrong tokens are counted by the address that they come from. One that has shown
too many is not heard for a while, so that short tokens cannot be tried out.
But a whole house may stand behind one address (a proxy, a loopback): a token
that was good from there before is good all the while, and only new ones wait.
"""

from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import attrs

__all__ = ["Guesses", "home_of"]

# A person who mistypes, and a fleet that was given an old token, are below it.
_BURST = 10.0
# Seconds for one more: 14,400 a day, against 2^47 of the shortest tokens that are random.
_EACH = 6.0
# Some 200 bytes each; the one that was not seen for the longest time is forgotten.
_MOST_ADDRESSES = 4_096


@attrs.define(eq=False)
class _Record:
    """What is known of an address. `wrong` was the count at `at` and shrinks by itself."""

    wrong: float = 0.0
    at: float = 0.0
    good: set[bytes] = attrs.field(factory=set[bytes])

    def now(self, now: float, each: float) -> float:
        return max(0.0, self.wrong - (now - self.at) / each)


class Guesses:
    """Remembers who has shown what, at most `most` addresses.

    So many as `burst` are borne at once, and then one in `each` seconds. Times are in seconds.
    """

    __slots__ = ("_burst", "_each", "_most", "_records")

    def __init__(
        self, most: int = _MOST_ADDRESSES, *, burst: float = _BURST, each: float = _EACH
    ) -> None:
        self._most = most
        self._burst = burst
        self._each = each
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str, digest: bytes, now: float) -> float:
        """Seconds until a token is looked at that comes from `address`; 0 is now.

        `digest` stands for the token: one that was good from there is looked at at once.
        """
        record = self._records.get(home_of(address))
        if record is None or digest in record.good:
            return 0.0
        return max(0.0, (record.now(now, self._each) - (self._burst - 1)) * self._each)

    def wrong(self, address: str, now: float) -> None:
        """Count a token that was wrong."""
        record = self._record(address)
        record.wrong, record.at = record.now(now, self._each) + 1, now

    def right(self, address: str, digest: bytes) -> None:
        """Remember a token that was good; there are only as many as are configured."""
        self._record(address).good.add(digest)

    def _record(self, address: str) -> _Record:
        home = home_of(address)
        record = self._records.get(home)
        if record is None:
            record = self._records[home] = _Record()
            if len(self._records) > self._most:
                self._records.popitem(last=False)
        else:
            self._records.move_to_end(home)
        return record


@lru_cache(maxsize=_MOST_ADDRESSES)
def home_of(address: str) -> str:
    """By what the clients of `address` are counted: it, or for IPv6 its first half, since who has
    one has all that begin so."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address) or parsed.is_loopback:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()
