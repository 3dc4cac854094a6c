"""What the candidates are worth, by Great Expectations. What is set here holds before anything here imports it."""

import logging
import os

logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells of its own objects, in two lines each
os.environ["GX_ANALYTICS_ENABLED"] = "false"  # some versions of it read this, others their configuration
