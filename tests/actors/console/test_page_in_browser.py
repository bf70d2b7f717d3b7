"""The page in a real browser: what an operator sees, does with keys, and is told when it is lost.

One browser serves all tests here, each of which has a page of its own in it. Pictures of all pages
go into the folder that TROUPER_SCREENSHOTS names, or a temporary one.
"""

import json
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest
import trio

from tests.fakes.chromium import MISSING, PATH, Browser, Page, start_browser
from tests.fakes.console_world import TOKENS, open_world
from tests.fakes.consoles import short_folder
from tests.fakes.players import Note, Notes, Play, Player
from trouper.actors.app import App

pytestmark = pytest.mark.skipif(PATH is None, reason=MISSING)

SIZES = ((1440, 900), (390, 844))


@attrs.define(eq=False)
class Seen:
    """A program, and its page in a browser that has come in."""

    app: App
    url: str
    page: Page

    async def go(self, address: str) -> None:
        await self.page.run(f"location.hash = '#/{address}'")

    async def text(self) -> str:
        said: str = await self.page.run("document.body.innerText")
        return said

    async def says(self, *words: str) -> None:
        """Wait until the page says all of these."""
        for each in words:
            await self.page.until(f"document.body?.innerText.includes({each!r})")

    async def click(self, words: str, within: str = "button") -> None:
        script = f"[...document.querySelectorAll({within!r})].find((e) => e.innerText.startsWith({words!r}))"
        await self.page.until(f"{script} && !{script}.disabled")
        await self.page.run(f"{script}.click()")

    async def look(self, name: str) -> None:
        """Take a picture for whoever wants to see it."""
        if "TROUPER_SCREENSHOTS" in os.environ:
            await self.page.picture(Path(os.environ["TROUPER_SCREENSHOTS"]) / f"{name}.png")

    def quiet(self) -> None:
        """Nothing went wrong in the page, and it asked nobody else."""
        host = self.url.removeprefix("http://")
        strange = [url for url in self.page.requests if f"://{host}/" not in url]
        assert strange == []
        assert self.page.complaints == []


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with start_browser() as started:
        yield started


class See(Protocol):
    """Runs a program, and opens its page in a browser that comes in."""

    def __call__(self, more: int = 0, **options: Any) -> AbstractAsyncContextManager[Seen]: ...


@pytest.fixture
def see(browser: Browser) -> See:
    @asynccontextmanager
    async def seen(more: int = 0, **options: Any) -> AsyncGenerator[Seen]:
        with short_folder():
            async with (
                open_world(more, **options) as (app, url),
                browser.page() as page,
            ):
                await page.size(*SIZES[0])
                await page.open(app._watching.console.entry.link(trio.current_time()))
                await page.until("document.querySelectorAll('.row').length > 5", 20)
                yield Seen(app, url, page)

    return seen


async def test_the_first_screen_says_what_is_wrong_and_leads_there(see: See) -> None:
    async with see() as here:
        await here.says("Needs attention now", "mailbox full: 32 of 32", "poisoned")
        assert await here.page.run("document.cookie") == ""
        assert "enter=" not in await here.page.run("location.href")

        await here.click("workers/indexer", ".side a.path")
        await here.says("Waiting at", "Mailbox", "32 of 32", "In hand")
        assert await here.page.run("location.hash") == "#/actors/workers/indexer"
        chosen = "document.querySelector('.row.chosen .name').innerText"
        assert await here.page.run(chosen) == "indexer"

        await here.page.key("j")
        await here.page.until(f"{chosen} === 'mailer'")
        await here.says("Last crash", "the mail server said 451")
        await here.page.key("Escape")
        await here.page.until("location.hash === '#/'")
        await here.page.key("/", "m", "a", "i", "l", "e", "r")
        await here.page.until("document.querySelectorAll('.row').length === 2")
        await here.page.key("Escape", "g", "p")
        await here.page.until("location.hash === '#/providers'")
        await here.says("mistral", "In flight", "Requests left")
        await here.page.key("?")
        await here.says("light, dark, or as the system has it")
        await here.look("keys")
        here.quiet()


async def test_names_with_anything_in_them_lead_to_their_actor_and_nowhere_else(see: See) -> None:
    async with see(1) as here:
        children = here.app.system.children("crowd", Player)
        title = "document.querySelector('.panel-title h2')?.textContent"
        names = ("100%", "a%2Fb", "two\nlines", "\u202eturned", "<b>x")
        for name in names:
            await children.start(name, name, Play())
        await here.page.run(
            "const f = document.getElementById('filter'); f.value = 'crowd/';"
            "f.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        for name in names:
            row = f"[...document.querySelectorAll('.row .name')].find((e) => e.textContent === {json.dumps(name)})"
            await here.page.until(f"!!{row}")
            await here.page.run(f"{row}.closest('.row').click()")
            await here.page.until(f"{title} === {json.dumps(f'crowd/{name}')}")
        await here.page.run("location.hash = '#/actors/crowd/100%'")  # as typed by hand
        await here.page.until(f"{title} === 'crowd/100%'")
        assert here.page.complaints == []


async def test_a_reader_is_told_why_nothing_can_be_done(see: See) -> None:
    async with see(busy=False, web_role="read") as here:
        await here.go("actors/workers/mailer")
        await here.says("read-only", "This visit may read only; operate is needed.")
        await here.look("read-only")
        disabled = "[...document.querySelectorAll('.panel-top button')].every((b) => b.disabled)"
        assert await here.page.run(disabled)
        here.quiet()


async def test_an_operator_restarts_an_actor_after_reading_what_that_does(see: See) -> None:
    async with see(busy=False, web_role="operate") as here:
        await here.go("actors/workers/mailer")
        await here.click("Restart", ".panel-top button")
        await here.says(
            "Its life ends, and another one begins.", "1 sibling goes along: workers/thumbnails"
        )
        assert here.app.system.operator.life("workers/mailer") == 1
        await here.look("dialog")
        await here.page.run(
            "(() => { const all = document.querySelectorAll('dialog input');"
            "const input = all[all.length - 1]; input.value = 'by the book';"
            "input.dispatchEvent(new Event('input')) })()"
        )
        await here.click("Restart", "dialog button")
        await here.page.until("!document.querySelector('dialog')")
        await here.says("life 2")
        await here.click("Log level", ".panel-top button")
        await here.says("log from warning on now")
        await here.look("dialog-log-level")
        await here.click("Set log level", "dialog button")
        await here.page.until("!document.querySelector('dialog')")
        await here.go("events")
        await here.says("console action", "by the book", "loglevel by")
        here.quiet()

    assert here.app.system.operator.life("workers/mailer") == 2


async def test_a_circuit_is_opened_and_closed_by_hand(see: See) -> None:
    async with see(busy=False, web_role="operate") as here:
        await here.go("providers/anthropic")
        await here.click("Open", "#provider-anthropic button")
        await here.says("No call goes to claude-sonnet")
        await here.click("Open the circuit", "dialog button")
        await here.says("open until reset")
        await here.click("Close", "#provider-anthropic button")
        await here.click("Close the circuit", "dialog button")
        card = "document.querySelector('#provider-anthropic').innerText"
        await here.page.until(f"{card}.includes('circuit closed')")

        await here.click("Open", "#provider-anthropic button")
        await here.says("No call goes to claude-sonnet")
        await here.page.run(
            "const f = document.querySelector('dialog input[type=number]'); f.value = '60';"
            "f.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        await here.click("Open the circuit", "dialog button")
        left = f"Number({card}.match(/probe in ([0-9]+)/)?.[1])"
        await here.page.until(f"{left} > 50")
        first = await here.page.run(left)
        await here.page.until(f"{left} < {first}")  # it counts down
        here.quiet()


async def test_what_was_said_is_shown_to_admins_only(see: See) -> None:
    async with see(busy=False, web_role="operate") as here:
        session = await here.app.session("ada", assistant="anthropic", user="ada")
        await session.ask("what is the colour of the secret?")
        await here.go("sessions")
        await here.says("ada", "idle")
        await here.go("sessions/ada")
        await here.says("Turn 1", "33 characters", "is for the role admin")
        assert "colour of the secret" not in await here.text()
        assert await here.page.run(
            "[...document.querySelectorAll('button')].find((b) => b.innerText === 'Show text').disabled"
        )
        body = f"fetch('session', {{method: 'POST', headers: {{Authorization: 'Bearer {TOKENS['admin']}'}}}})"
        assert await here.page.run(f"{body}.then((answer) => answer.status)") == 200
        await here.page.call("Page.reload")
        await here.says("admin")
        await here.click("Show text")
        await here.says("what is the colour of the secret?")
        turn = "document.querySelector('.turn').innerText"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.ask, "slowly, please")
            await here.page.until(f"{turn}.includes('under way') && {turn}.includes('It depends')")
            shown = len(await here.page.run(turn))
            await here.page.until(f"{turn}.length > {shown + 10} && {turn}.includes('under way')")
            await here.look("session-under-way")
            nursery.cancel_scope.cancel()
        await here.page.until(f"{turn}.includes('cancelled')")
        await here.click("Hide text")
        await here.page.until("!document.querySelector('.said')")
        here.quiet()


async def test_a_dead_letter_is_sent_again_once(see: See) -> None:
    async with see(busy=False, web_role="operate") as here:
        system = here.app.system
        ref = system.ref("workers/thumbnails", Player)
        await system.operator.stop("workers/thumbnails")
        ref.tell(Note("came too late"))
        await system.operator.restart("workers/thumbnails")
        await here.go("dead")
        await here.says("the actor was down", "Send again")
        assert "came too late" not in await here.text()
        await here.click("Send again", ".card button")
        await here.says("The Note goes to the life that it has now", "it can be sent again once")
        await here.click("Send again", "dialog button")
        await here.page.until("!document.querySelector('.card button, dialog')")
        await here.says("sent again")
        here.quiet()

        assert await ref.ask(Notes()) == ("came too late",)


async def test_a_page_that_is_not_let_in_says_how_to_come_in(browser: Browser) -> None:
    with short_folder():
        async with open_world(busy=False) as (app, url), browser.page() as page:
            await page.open(f"{url}/console/")
            await page.until("document.body?.innerText.includes('trouper console')")
            await page.run("location.hash = '#enter=an-old-code'")
            await page.until("document.body?.innerText.includes('has been used, or is too old')")
            link = app._watching.console.entry.link(trio.current_time())
            await page.run(f"location.hash = '{link.partition('/console/')[2]}'")
            await page.until("document.querySelectorAll('.row').length > 5")


async def test_neither_a_rebound_name_nor_another_page_gets_at_anything(
    browser: Browser,
) -> None:
    with short_folder():
        async with open_world(busy=False) as (app, url), browser.page() as page:
            await page.open(app._watching.console.entry.link(trio.current_time()))
            await page.until("document.querySelectorAll('.row').length > 5")
            # Of the same host, so that the browser sends the cookie along.
            await page.open(app.config.providers["openai"].base_url)
            await page.until("location.pathname === '/v1'")
            feed = url.replace("http", "ws") + "/console/feed"
            opened = await page.run(
                f"new Promise((done) => {{ const ws = new WebSocket({feed!r});"
                "ws.onopen = () => done('open'); ws.onerror = () => done('refused') })"
            )
            read = await page.run(
                f"fetch('{url}/console/session', {{credentials: 'include'}})"
                ".then(() => 'read', () => 'refused')"
            )
            await page.open(f"{url.replace('127.0.0.1', 'rebind.test')}/console/")
            await page.until("document.body?.innerText.includes('is not served under the name')")
            rebound = await page.run(
                "new Promise((done) => { const ws = new WebSocket(`ws://${location.host}/console/feed`);"
                "ws.onopen = () => done('open'); ws.onerror = () => done('refused') })"
            )
            asked = await page.run("fetch('/console/session').then((answer) => answer.status)")

    assert (opened, read) == ("refused", "refused")
    assert (rebound, asked) == ("refused", 421)


async def test_a_lost_connection_greys_the_picture_and_comes_back(see: See) -> None:
    async with see(busy=False) as here:
        app = here.app
        await app.system.operator.stop("gateway")
        await here.page.until("Boolean(document.querySelector('.banner'))", 3)
        await here.says("Connection lost. This is the picture from", "nothing below is current")
        assert await here.page.run("document.querySelector('.shell').classList.contains('lost')")
        await here.look("lost")
        await app.system.operator.restart("gateway")
        await here.page.until("!document.querySelector('.banner')", 15)
        await here.says("live")


async def test_ten_thousand_actors_leave_the_page_at_ease(see: See) -> None:
    async with see(10_000, busy=False) as here:
        await here.says("crowd")
        # Opened, it is a list of ten thousand.
        await here.go("actors/crowd")
        await here.page.until("document.querySelector('.row.chosen')")
        await here.page.key("l")
        rows = "document.querySelectorAll('[role=treeitem]').length"
        await here.page.until(
            f"document.querySelector('.tall').clientHeight > 200000 && {rows} > 10"
        )
        assert await here.page.run(rows) < 60

        crowd = [here.app.system.ref(f"crowd/{number}", Player) for number in range(500)]
        before, began = await here.page.busy(), trio.current_time()
        for _ in range(12):
            for one in crowd:
                one.tell(Note("x"))
            await trio.sleep(0.25)
        took = trio.current_time() - began
        share = (await here.page.busy() - before) / took
        print(f"main thread {share:.1%}")
        assert share < 0.25
        assert await here.page.run(rows) < 60
        here.quiet()


async def test_every_page_can_be_looked_at(see: See, tmp_path: Path) -> None:
    folder = Path(os.environ.get("TROUPER_SCREENSHOTS", tmp_path))
    async with see(web_role="admin") as here:
        await here.says("stopped", "mailbox full")
        session = next(p for p in here.app.system.inspector.paths if p.startswith("sessions/"))
        pages = {
            "tree": ("", "Needs attention now"),
            "actor": ("actors/workers/mailer", "Last crash"),
            "providers": ("providers", "In flight"),
            "sessions": ("sessions", "conversations"),
            "session": (session, "Turn 1"),
            "costs": ("costs", "Per minute"),
            "events": ("events", "actor crashed"),
            "dead": ("dead", "it crashed its actor"),
            "crashes": ("crashes", "451"),
            "crash": ("crashes/c1", "What had happened before"),
        }
        for name, (address, words) in pages.items():
            await here.go(address)
            await here.says(words)
            for scheme in ("light", "dark"):
                await here.page.colours(scheme)
                for wide, high in SIZES:
                    await here.page.size(wide, high)
                    # No wider than the window: nothing has to be pushed aside to be read.
                    await here.page.until("document.documentElement.scrollWidth <= innerWidth")
                    await here.page.picture(folder / f"{name}-{scheme}-{wide}.png")
        # The last of them, and what a report has besides its traceback.
        await here.says("Who restarts it", "rest_for_one: it takes", "Beside it, at that moment")
        here.quiet()

    taken = {path.name for path in await trio.Path(folder).glob("*.png")}
    assert len(taken) >= 4 * len(pages)
