"""The simulator as its users start it: a process with one ready line and an orderly end."""

import httpx

from tests.fakes.simulator import SimulatorProcess


async def test_it_echoes_without_a_script(simulator: SimulatorProcess) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        r = await client.post(
            simulator.base_url + "/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "hello"}]},
        )
    assert r.json()["choices"][0]["message"]["content"] == "You said: hello"
    assert simulator.requests()[0]["outcome"] == "served"
