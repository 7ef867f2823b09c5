"""`python -m services.commands.documents`: write the OpenAPI and AsyncAPI documents to `docs/api`, as the code says them."""

import json
import sys
from pathlib import Path

from services.intake import openapi
from shared.schemas import asyncapi

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "api"


def generated() -> dict[str, str]:
    """Each file's text, by its name."""
    documents = {"openapi.json": openapi.document(), "asyncapi.json": asyncapi.document()}
    return {name: json.dumps(document, ensure_ascii=False, indent=2) + "\n" for name, document in documents.items()}


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in generated().items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote docs/api/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
