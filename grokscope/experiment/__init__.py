"""The causal experiment: is what the interventions touch a cause of grokking? Plan, run, and an honest answer.

    design = record(Design(name="…", task="modular", seeds=[42, 137], arms={"project": [0.5, 1.0]}), runs)
    conduct(design, runs, engine, on_change, on_warning)    # again at will: what is over is left alone
    analyse(all_outcomes(design, runs))                     # at any time, with what there is

An experiment is a folder of runs, as a sweep is, with what was asked for in its `experiment.toml`.
"""
