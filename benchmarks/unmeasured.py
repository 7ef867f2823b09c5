"""A service whose metrics count nothing, to see what counting costs: `python -m benchmarks.unmeasured SERVICE`."""

import runpy
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prometheus_client import CollectorRegistry

from shared.metric_table import Row


class Nothing:
    """Stands where a counter, a gauge or a histogram would."""

    def labels(self, *_values: str) -> "Nothing":
        return self

    def inc(self, _by: float = 1) -> None: ...

    def set(self, _to: float) -> None: ...

    def observe(self, _value: float) -> None: ...

    def time(self) -> AbstractContextManager[None]:
        return nullcontext()


def _make(_row: Row[Any], _registry: CollectorRegistry, _service: str) -> Nothing:
    return Nothing()


if __name__ == "__main__":
    Row.make = _make  # type: ignore[method-assign, assignment]
    runpy.run_module(f"services.{sys.argv[1]}", run_name="__main__")
