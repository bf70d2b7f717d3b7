"""Ids that no other of this program and of any other has, without asking the kernel each time.

    op_id = new_id()            "3f9a61c20b7d00000001"

48 random bits, drawn once a process, and a number that counts up. Random bits for
each would cost 6 us in a virtual machine, twice a call; and ids that follow each
other lie beside each other in an index, so that a commit writes fewer pages.

They say which was made first, and are no secret: what must not be guessed is
`secrets.token_hex`.
"""

import itertools
import os
import secrets

__all__ = ["new_id"]

_numbers = itertools.count(1)
_drawn = [secrets.token_hex(6)]


def new_id() -> str:
    """A new one, 20 hexadecimal digits."""
    return f"{_drawn[0]}{next(_numbers):08x}"


def _start_anew() -> None:
    _drawn[0] = secrets.token_hex(6)


# A process that is forked would go on with the same numbers.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
