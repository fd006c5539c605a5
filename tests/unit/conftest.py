"""Settings of the quick tests: hypothesis tries the same examples in each run and stores nothing."""

from pathlib import Path

from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(__file__).parents[2] / ".pytest_cache" / "hypothesis")

settings.register_profile("unit", max_examples=30, deadline=None, derandomize=True, database=None)
settings.load_profile("unit")
