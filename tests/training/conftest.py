"""The NumPy reference as if it were a plugin, and an inbox that is read at every step."""

import pytest
from reference_plugin import reference_installed as reference_installed

pytest.register_assert_rewrite("training_made")
