"""A crash that a test has asked for (testing/crashing.py): not a fault of the message in hand."""

__all__ = ["InjectedCrash"]


class InjectedCrash(Exception):
    """What an actor crashes with that a test lets crash; its text says which, when and why."""
