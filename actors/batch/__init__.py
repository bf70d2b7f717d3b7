"""Batches: many requests that nobody waits for, through a provider's batch endpoint or one by one.

Reading order: rows (what is kept), lines (what users write and read), inbox (how
a batch comes in), intake (how it gets into the store), endpoint and remote (a
provider's batches), background (the others), driver (who carries all on),
batches (the surface for programs).
"""
