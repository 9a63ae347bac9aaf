"""The causal experiment: do the interventions change when a run groks? It is planned, run and analysed here.

    design = record(Design(name="…", task="modular", seeds=[42, 137], arms={"project": [0.5, 1.0]}), runs)
    conduct(design, runs, engine, on_change, on_warning)    # again at will: what is over is left alone
    analyse(all_outcomes(design, runs))                     # at any time, with what there is

An experiment is a folder of runs, like a sweep. Its `experiment.toml` holds the design.
"""
