"""By which any provider is held to its contract, also one of another package: see docs/writing-a-provider.md.

Needs the extra `testing` of this distribution.
"""

import pytest

pytest.register_assert_rewrite("lead_mining.testing.contract")
