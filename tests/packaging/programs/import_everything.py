"""Imports every module of Trouper, and prints what those needed that could not be imported."""

import importlib
import json
import pkgutil

import trouper.actors
import trouper.runtime

missing: dict[str, str | None] = {}
for package in (trouper.runtime, trouper.actors):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        # Running it is what it is for.
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            missing[module.name] = error.name
print(json.dumps(missing))
