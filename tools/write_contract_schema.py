"""Writes pytest_tfserving/contracts/contract.schema.json from the table in contracts/keys.py.

`python tools/write_contract_schema.py` writes it, `--check` compares and writes nothing (`make check` runs that).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pytest_tfserving.contracts.keys import SCHEMA_FILE, schema_text  # noqa: E402  # found from any directory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is there; write nothing")
    check = parser.parse_args().check
    if SCHEMA_FILE.exists() and SCHEMA_FILE.read_text(encoding="utf-8") == schema_text():
        return 0
    how = "differs from contracts/keys.py: run python tools/write_contract_schema.py" if check else "written"
    print(f"{SCHEMA_FILE.relative_to(ROOT)} {how}")
    if not check:
        SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
