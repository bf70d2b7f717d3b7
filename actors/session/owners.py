"""Whose a session is, in names that never meet.

A client of the server owns its sessions by its principal's name, which has no
colon in it. The users of an embedding program are called as their networks call
them, and might be called like a principal, so they have a space of their own.
"""

__all__ = ["EMBEDDED", "owner_of", "user_of"]

EMBEDDED = "embedded"
"""The owner of what the embedding program opens for itself; no token may be called so."""

_USERS = "user:"


def owner_of(user: str) -> str:
    """Who owns the sessions of that user of the embedding program; "" is the program itself."""
    return f"{_USERS}{user}" if user else EMBEDDED


def user_of(owner: str) -> str:
    """What budgets, the ledger and prompts call that owner."""
    return owner.removeprefix(_USERS)
