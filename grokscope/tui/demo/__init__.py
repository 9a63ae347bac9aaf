"""A recorded real run: modular addition modulo 59, lr 2e-3, wd 1, that memorizes, shows its onset, and groks.

Recorded by `grokscope run modular --config grokscope/tui/demo/config.toml --name demo`; only host and process are
replaced.
"""

from pathlib import Path

DEMO = Path(__file__).parent
