"""Interventions on a run during training: the published ones, their controls, and methods from other papers."""
