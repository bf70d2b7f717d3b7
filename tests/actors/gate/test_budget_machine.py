"""Any order of calls, ends, cancels and deaths of the program leaves the budgets right."""

import tempfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import attrs
import trio
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from tests.fakes.background_trio import BackgroundTrio
from tests.fakes.budgets import CALL, NOON, RATES
from trouper.actors.chat import Usage
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.gate.budget import Budgets, Lease
from trouper.actors.policy.budget import Alert, Budget, limits_of
from trouper.actors.store.ledger import Limit, Selection, Totals
from trouper.actors.store.sqlite_ledger import SqliteLedger
from trouper.actors.store.store import open_ledger

BUDGETS = [
    Budget(name="bill", limit=60_000, per="total"),
    Budget(name="daily", limit=30_000, per="day", clamp=False),
    Budget(name="users", limit=12_000, per="month", scope="user"),
    Budget(name="small", limit=15_000, per="day", scope="model", only="openai/small"),
]

ERRORS = st.sampled_from(
    [
        None,
        KeyError("a bug"),
        GeneratorExit(),
        ProviderError(kind=ErrorKind.SERVER_ERROR, message="no"),
        ProviderError(kind=ErrorKind.TIMEOUT, message="no", billed="maybe"),
    ]
)
SHARES = st.sampled_from([0, 1, 50, 100])


class BudgetMachine(RuleBasedStateMachine):
    """The budgets over a file, against what the rows say; the leases are what a program holds."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "store.db")
        self.trio: BackgroundTrio[SqliteLedger] = BackgroundTrio(
            lambda: open_ledger(path, durability="relaxed")
        )
        self.trio.__enter__()
        self.now = NOON
        self.count = 0
        self.life = 0
        self.limits: set[Limit] = set()
        self.start()

    def start(self) -> None:
        self.life += 1
        self.alerts: list[Alert] = []
        self.budgets = Budgets(
            self.trio.value, BUDGETS, clock=lambda: self.now, on_alert=self.alerts.append
        )

    def lease(self, user: str, model: str, most: int | None) -> Lease:
        self.count += 1
        opening = attrs.evolve(CALL, op_id=f"op-{self.count}", user=user, model=model, at=self.now)
        self.limits.update(limit for _, limit in limits_of(BUDGETS, opening))
        return self.budgets.lease(
            opening, RATES, input_tokens=100, max_output_tokens=most, longest=3_000
        )

    @rule(
        target=leases,
        user=st.sampled_from(["alice", "bob", ""]),
        model=st.sampled_from(["small", "large"]),
        most=st.sampled_from([None, 1, 300, 2_000]),
    )
    def open(self, user: str, model: str, most: int | None) -> object:
        lease = self.lease(user, model, most)
        try:
            self.trio.run(lease.open)
        except ProviderError:
            return multiple()
        return (self.life, lease)

    @rule(user=st.sampled_from(["alice", "bob"]), turns=st.integers(0, 6))
    def open_and_leave(self, user: str, turns: int) -> None:
        """Cancel it after so many turns of the loop: before, while or after it is reserved."""
        lease = self.lease(user, "large", 300)

        async def leave() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.after, turns, nursery.cancel_scope)
                with suppress(ProviderError):
                    async with lease:
                        await trio.sleep_forever()

        self.trio.run(leave)

    async def after(self, turns: int, scope: trio.CancelScope) -> None:
        for _ in range(turns):
            await trio.lowlevel.cancel_shielded_checkpoint()
        scope.cancel()

    @rule(held=leases, share=SHARES, content=st.booleans())
    def send(self, held: tuple[int, Lease], share: int, content: bool) -> None:
        lease = held[1]

        async def send() -> None:
            lease.sent()
            if content:
                lease.first_token()
                lease.note(self.usage(lease, share))

        self.trio.run(send)

    def usage(self, lease: Lease, share: int) -> Usage:
        output = 3_000 if lease.max_output_tokens is None else lease.max_output_tokens
        return Usage(input=100, output=output * share // 100)

    @rule(held=leases, share=SHARES)
    def settle(self, held: tuple[int, Lease], share: int) -> None:
        life, lease = held
        if life == self.life:

            async def settle() -> None:
                lease.settle(self.usage(lease, share))

            self.trio.run(settle)

    @rule(held=consumes(leases), error=ERRORS)
    def leave(self, held: tuple[int, Lease], error: BaseException | None) -> None:
        life, lease = held
        if life == self.life:

            async def close() -> None:
                lease.close(error)

            self.trio.run(close)

    @rule(hours=st.sampled_from([1, 12, 300]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * 3_600

    @rule()
    def program_dies(self) -> None:
        """What it held is never closed; the next life finds it in the file."""
        self.trio.reopen()
        self.start()

    @invariant()
    def no_limit_is_exceeded_and_every_sum_is_that_of_its_rows(self) -> None:
        ledger = self.trio.value

        async def look() -> None:
            spent: defaultdict[tuple[str, str], int] = defaultdict(int)
            reserved: defaultdict[tuple[str, str], int] = defaultdict(int)
            async for row in ledger.rows(Selection()):
                for _, limit in limits_of(BUDGETS, row.opening):
                    key = (limit.scope, limit.window)
                    if row.closing is None:
                        reserved[key] += row.opening.reserved
                    else:
                        spent[key] += row.closing.weight(row.opening.reserved)
            for limit in self.limits:
                key = (limit.scope, limit.window)
                totals = await ledger.spent(*key)
                assert totals == Totals(spent=spent[key], reserved=reserved[key])
                assert totals.spent + totals.reserved <= limit.most

        self.trio.run(look)

    @invariant()
    def nothing_is_said_twice_in_a_life(self) -> None:
        told = [(alert.kind, alert.limit) for alert in self.alerts]
        assert len(told) == len(set(told))

    def teardown(self) -> None:
        self.program_dies()
        self.no_limit_is_exceeded_and_every_sum_is_that_of_its_rows()
        for limit in self.limits:
            totals = self.trio.run(self.trio.value.spent, limit.scope, limit.window)
            assert totals.reserved == 0
        self.trio.__exit__(None, None, None)
        self.folder.cleanup()


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
