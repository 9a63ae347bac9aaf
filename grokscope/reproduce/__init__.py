"""Is the paper right? Published claims as data, the runs that test them, and a verdict on each.

    claims = list(all_claims().values())          # data/claims-*.toml, and the claims about interventions
    train(study, budget, runs, engine, …)         # runs what is missing, through the sweep and experiment engines
    judged(claim, evidence_of(study, budget, runs))

A verdict is supported, refuted or undecided, with an interval, its null, the runs that it rests on, and how many seeds
or configurations would decide it.
"""
