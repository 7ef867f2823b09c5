"""`python -m services.intake`"""

from services.intake.app import build
from shared.entry import run_service

if __name__ == "__main__":
    run_service("intake", build)
