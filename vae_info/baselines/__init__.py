"""Baselines that the label information of beta-VAEs is compared with.

    config = BaselineConfig('static_mnist', 'digit', 'pca')
    rows = baselines.run(config, datasets.load('static_mnist'), Run(path))

A baseline is a function from a `Job` to its rows of the table of results. Its
name is in `methods.METHODS`, and its options are in `config.py`.

Only `run` imports TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vae_info.baselines.config import BaselineConfig as BaselineConfig
from vae_info.runs import Run

if TYPE_CHECKING:
  from vae_info.datasets import Dataset


def run(config: BaselineConfig, dataset: Dataset, run: Run) -> list[dict]:
  """Fits and evaluates a baseline in its run directory, or resumes it.

  Args:
    config: The baseline and its options.
    dataset: Data set to fit to and to evaluate on.
    run: Run directory, created if missing. A finished one is left alone.

  Returns:
    The baseline's rows of the table of results.

  Raises:
    UserError: The directory is in use or has another config, or the config
      does not fit the data.
    Stopped: SIGTERM or SIGINT was received; the state is saved.
  """
  from vae_info.baselines import methods
  from vae_info.baselines.job import Job
  from vae_info.runs.interruption import Signals

  run.open(config)
  with Signals() as signals, run.lock():
    if not run.rows:
      run.write_rows(methods.rows_of(Job(config, dataset, run, signals)))
      signals.check()
  return run.rows
