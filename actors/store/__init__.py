"""What outlives the process, behind narrow interfaces: `ledger`, what every call cost.

Each interface has an implementation on SQLite and one in memory, and one suite
of tests that every implementation must pass.
"""
