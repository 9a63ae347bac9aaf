"""MLflow. `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME` say where; without them MLflow itself decides."""

import logging
import os
import re
import time
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from grokscope.gate import real_path
from grokscope.sinks.numbers import Told, ToldRun
from grokscope.sinks.tools import ENDED_WELL

MOST_AT_ONCE, SECONDS_AT_ONCE = 900, 5.0
"""Numbers of one request, at most 1,000 for MLflow, and the time after which fewer are sent"""
_OUTCOMES = {"running": "RUNNING", "interrupted": "KILLED"}
_NO_NAME = re.compile(r"[^\w\-. /:]")
"""What MLflow takes in no name"""


class MlflowSink:
    """A run of its own, told by requests of many numbers: each is a transaction of MLflow's data base."""

    def __init__(self, client: MlflowClient, run: ToldRun, experiment: str) -> None:
        self._client = client
        tags = {"grokscope.path": str(real_path(run.path))}
        self._run = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        self.where = f"{client.tracking_uri} run {self._run}"
        params = [Param(_NO_NAME.sub("_", key), str(value)[:500]) for key, value in run.config.items()]
        client.log_batch(self._run, params=params[:100])
        for start in range(100, len(params), 100):  # MLflow takes 100 at once
            client.log_batch(self._run, params=params[start : start + 100])
        self._waiting: list[Metric] = []
        self._sent = time.monotonic()

    def log(self, told: Told) -> None:
        milliseconds = int(1000 * told.seconds)
        if len(self._waiting) + len(told.numbers) > MOST_AT_ONCE:
            self._send()
        self._waiting += [
            Metric(_NO_NAME.sub("_", name), value, milliseconds, told.step) for name, value in told.numbers.items()
        ]
        if time.monotonic() - self._sent > SECONDS_AT_ONCE:
            self._send()

    def close(self, status: str) -> None:
        self._send()
        self._client.log_batch(self._run, tags=[RunTag("grokscope.status", status)])
        if status != "running":
            self._client.set_terminated(
                self._run, "FINISHED" if status in ENDED_WELL else _OUTCOMES.get(status, "FAILED")
            )

    def _send(self) -> None:
        for start in range(0, len(self._waiting), MOST_AT_ONCE):
            self._client.log_batch(self._run, metrics=self._waiting[start : start + MOST_AT_ONCE])
        self._waiting, self._sent = [], time.monotonic()


def opened_sink(run: ToldRun, folder: Path | None) -> MlflowSink:
    """In the experiment of `MLFLOW_EXPERIMENT_NAME`, else in `grokscope`."""
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    client = MlflowClient()
    return MlflowSink(client, run, _experiment(client, os.environ.get("MLFLOW_EXPERIMENT_NAME", "grokscope")))


def _experiment(client: MlflowClient, name: str) -> str:
    """The identifier of the experiment, which is made where there is none."""
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))
