"""Data that the catalog reads; nothing here is code.

models.json: facts on models, written by `refresh`, which says from what.
cl100k_base.xz, o200k_base.xz: the ranks of OpenAI's encodings as tiktoken (MIT)
publishes them, packed by `pack`.
"""
