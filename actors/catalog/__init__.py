"""What is known of models before they are asked: facts, tokens, prices.

Read in this order: `facts` (what is known of one model), `models` (the table,
and how a name is found in it), `validation` (a request held against the facts),
`encodings` and `tokens` (how long a text is for a model), `correction` (what
estimates learn from usage), `rates` (what tokens cost, in integers) and
`prices` (whose rates). `refresh` writes the table anew.

Importing any of these is cheap: tables, rank files and prices are read when
they are first needed, and the heavy ones off the loop.
"""
