"""One-time links and what they become: good once, for a while, and never held in clear."""

from trouper.actors.console.entry import CODE_SECONDS, VISIT_SECONDS, Entry, Visitor


def test_links_and_cookies_end_by_themselves_and_are_few() -> None:
    entry = Entry("read")
    old = entry.link(0.0).partition("=")[2]
    assert entry.follow(old, CODE_SECONDS + 1) is None
    links = [entry.link(0.0).partition("=")[2] for _ in range(20)]
    assert entry.follow(links[0], 1.0) is None
    found = entry.follow(links[-1], 1.0)
    assert found is not None
    secret, visitor = found
    assert entry.visitor(secret, 2.0) == visitor
    assert entry.visitor(secret, VISIT_SECONDS + 2.0) is None
    assert entry.visitor(secret, 3.0) is None
    first = entry.admit(Visitor("a", "read"), 0.0)
    for _ in range(64):
        entry.admit(Visitor("b", "read"), 0.0)
    assert entry.visitor(first, 1.0) is None


def test_nothing_that_is_remembered_is_a_secret_itself() -> None:
    entry = Entry("read")
    code = entry.link(0.0).partition("=")[2]
    secret = entry.admit(Visitor("a", "read"), 0.0)

    held = repr([vars(entry)[name] for name in ("_codes", "_visits")])

    assert code not in held
    assert secret not in held
