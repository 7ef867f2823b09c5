"""`python -m services.notifier`"""

from services.notifier.app import build
from shared.entry import run_service

if __name__ == "__main__":
    run_service("notifier", build)
