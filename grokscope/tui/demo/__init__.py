"""A recorded real run: modular addition, lr 1.5e-3, wd 1, that memorizes, shows its onset, and groks.

Recorded by grokscope itself; only the run's name, host and process are replaced.
"""

from pathlib import Path

DEMO = Path(__file__).parent
