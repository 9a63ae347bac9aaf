"""When will this run grok, and will it? Laws calibrated on a bank of runs, chosen by backtest."""
