"""`python -m services.router`"""

from services.router.app import build
from shared.entry import run_service

if __name__ == "__main__":
    run_service("router", build)
