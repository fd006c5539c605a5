"""Says what is missing where the interpreter is too old or has no venv; written for any Python 3, and Python 2.7."""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "pytest-tfserving needs Python 3.10 or newer; %s is %d.%d. Install one, then: make PYTHON=/path/to/python3 demo"
        % ((sys.executable,) + sys.version_info[:2])
    )
try:
    import ensurepip  # noqa: F401  # Debian and Ubuntu leave it out of python3
    import venv  # noqa: F401
except ImportError:
    sys.exit(
        "%s cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" % sys.executable
    )
