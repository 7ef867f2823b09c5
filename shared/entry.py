"""How every service process begins: settings, logs, server. A setting that makes no sense ends it with one line."""

import gc
import os
import sys
from collections.abc import Callable
from typing import Any

from shared import tracing
from shared.logs import configure_logs
from shared.settings import Settings, SettingsError
from shared.web import serve


def run_service(service: str, build: Callable[[Settings], Any]) -> None:
    """`build` makes the service's ASGI app. Exit 2: a setting is wrong."""
    try:
        settings = Settings.load(service, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{service}: {error}\n")
        raise SystemExit(2) from None
    configure_logs(service, settings.log_level)
    tracing.start(service, os.environ)
    app = build(settings)
    # What was imported stays for ever: the collector need not walk it again and again, nor after every few hundred objects of a batch.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    serve(tracing.served(app), settings)
