"""The other end of `ws /acp`, for programs that talk to a server: see session.py."""
