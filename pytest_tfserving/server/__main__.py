"""`python -m pytest_tfserving.server --port=0 --rest_api_port=0 --model_base_path=/models/a --ports_file=ports.json`"""

from __future__ import annotations

import sys

from pytest_tfserving.server.start import main

sys.exit(main(sys.argv[1:]))
