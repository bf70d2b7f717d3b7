"""A kernel of Jupyter, for which lines of its input are cells: each is answered by a line of JSON.

notebook.py FOLDER   the kernel's folder; a line is {"code": ..., "interrupt": ...}, and the
                     cell is interrupted when that text has been shown
"""
# pyright: basic, reportMissingImports=false

import json
import sys
from typing import Any

from jupyter_client.manager import start_new_kernel

PATIENCE = 60  # seconds


def run(manager: Any, client: Any, code: str, interrupt: str | None = None) -> dict[str, Any]:
    """What the cell shows, in order, and the name of the error that ends it, if one does."""
    shown: list[str] = []

    def on_output(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data", "execute_result"):
            data = content["data"]
            shown.append(data.get("text/markdown", data["text/plain"]))
            if interrupt and interrupt in shown[-1]:
                manager.interrupt_kernel()
        elif message["msg_type"] == "stream":
            shown.append(content["text"])

    reply = client.execute_interactive(code, timeout=PATIENCE, output_hook=on_output)
    return {"shown": shown, "error": reply["content"].get("ename")}


def main(folder: str) -> None:
    manager, client = start_new_kernel(cwd=folder)
    try:
        for line in sys.stdin:
            print(json.dumps(run(manager, client, **json.loads(line))))
    finally:
        client.stop_channels()
        # In order, as a person does it; a kernel that hangs has to be killed.
        manager.shutdown_kernel()


main(sys.argv[1])
