"""`python -m shared.schemas`: write the schemas that are new or differ compatibly. Exit 1, nothing written, where readers would break."""

import sys
from pathlib import Path

from shared.schemas import SUFFIX, committed, generated, written
from shared.schemas.compatibility import breaks_of_all


def main() -> int:
    before, now = committed(), generated()
    found = breaks_of_all(before, now)
    if found:
        sys.stderr.write("".join(f"error: {text}\n" for text in found))
        sys.stderr.write("nothing was written: make it a new type (.v2); where nobody reads the old one yet, delete its file first\n")
        return 1
    for event_type, schema in now.items():
        if before.get(event_type) != schema:
            path = Path(__file__).with_name(event_type + SUFFIX)
            path.write_text(written(schema), encoding="utf-8")
            sys.stdout.write(f"wrote {path.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
