"""What outlives the process, behind narrow interfaces: `ledger`, what every call cost, and
`journal`, what was said in each session.

Each interface has an implementation on SQLite, and one suite of tests that every
implementation must pass, also the one in dicts that the tests have. Read in this order: ledger (the
interface), errors, schema, database, operations, backlog, commit, threads, writer (the
one that writes), columns, sums, ledger_operations, sqlite_ledger, store_reader and reading (for
other processes), journal and its own of each, store (all of it as one child of a tree).
"""
