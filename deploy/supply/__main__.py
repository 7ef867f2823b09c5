"""`python -m deploy.supply sbom|audit|secrets`. Exit 0: nothing to do; 1: something was found; 2: it could not be looked at."""

import argparse
import sys

from deploy.supply import audit, sbom, secrets
from deploy.supply.tools import ROOT, Failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.supply", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("sbom", help="write the CycloneDX lists to dist/sbom")
    auditing = commands.add_parser("audit", help="known vulnerabilities of every locked package")
    auditing.add_argument("--service", choices=("osv", "pypi"), default="osv", help="who is asked (default: osv)")
    auditing.add_argument("--osv-url", help="another address of an OSV service, such as a mirror inside your network")
    commands.add_parser("secrets", help="whatever looks like a secret in the tree")
    asked = parser.parse_args()
    try:
        if asked.command == "sbom":
            for path in sbom.write():
                print(f"wrote {path.relative_to(ROOT)}")
            return 0
        found = audit.audit(asked.service, asked.osv_url) if asked.command == "audit" else secrets.look()
    except Failed as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for line in found:
        print(line)
    print(f"{asked.command}: {len(found)} found" if found else f"{asked.command}: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
