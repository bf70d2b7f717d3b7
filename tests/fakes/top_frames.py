"""What a program tells `trouper top` for each of its pages, by the page's key; and of one actor."""

from typing import Any

__all__ = ["ACTOR", "BUDGET", "CIRCUIT", "FRAMES", "LIMITER"]

ACTOR = {
    "t": "actor",
    "path": "sessions/ada",
    "kind": "Session",
    "state": "running",
    "gen": 1,
    "health": "mailbox full",
    "detail": "32 of 32, senders of new messages are refused; oldest waits 1 min 08 s and more",
    "stopped": None,
    "n": 3,
    "err": 0,
    "restarts": 0,
    "busy_ms": 0,
    "cap": 32,
    "depth": 32,
    "overflow": "reject",
    "in_hand": [],
    "mailbox": [{"msg": f"Prompt{number}", "ms": 68_000} for number in range(40)],
}

CIRCUIT = {
    **dict.fromkeys(("path", "cause", "reopens_in", "until_reset", "in_flight"), None),
    "model": "small",
    "path": "providers/sim/breaker",
    "state": "open",
    "calls": 15,
    "failures": 13,
    "outcomes": ["ok", "timeout"],
    "health": "tripped",
    "detail": "open, next probe in 8.0 s",
}
LIMITER = {
    "key": "",
    "path": "providers/sim/limiter",
    "waiting": 2,
    "health": "ok",
    "detail": "",
    "requests": {"level": 30.0, "capacity": 60.0, "rate": 1.0},
    **dict.fromkeys(("tokens", "input_tokens", "output_tokens")),
}
BUDGET = {
    "name": "daily",
    "scope": "all",
    "window": "day",
    "limit": 10**9,
    "spent": 10**8,
    "health": "ok",
    "detail": "",
    "severity": 0,
}

# Providers, calls, sessions.
FRAMES: dict[str, dict[str, Any]] = {
    "3": {
        "providers": [
            {
                "name": "sim",
                "path": "providers/sim",
                "kind": "openai",
                "in_flight": 1,
                "circuits": [CIRCUIT],
                "limiters": [LIMITER],
            }
        ],
        "costs": {"budgets": [BUDGET]},
    },
    "4": {
        "requests": [
            {
                "id": 1,
                "asked": "default",
                "session": "ada",
                "provider": "sim",
                "model": "small",
                "attempt": 2,
                "phase": "streaming",
                "phase_ms": 900,
                "age_ms": 12_000,
            },
            {
                "id": 2,
                "asked": "default",
                "session": "",
                "provider": "",
                "model": "",
                "attempt": 1,
                "phase": "routing",
                "phase_ms": 0,
                "age_ms": 0,
            },
        ]
    },
    "5": {
        "sessions": [
            {
                "id": "ada",
                "path": "sessions/ada",
                "owner": "",
                "assistant": "default",
                "model": "default",
                "turns": 3,
                "running": 4,
                "asked": [],
                "cost": 10**7,
                "usage": {"input": 700, "output": 42},
            },
            {
                "id": "bob",
                "path": "sessions/bob",
                "owner": "",
                "assistant": "default",
                "model": "",
                "turns": 0,
                "running": None,
                "asked": ["clock"],
                "cost": None,
                "usage": {"input": 0, "output": 0},
            },
        ]
    },
}
