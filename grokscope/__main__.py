"""`python -m grokscope`: the same as `grokscope`."""

from grokscope.cli.main import main

main()
