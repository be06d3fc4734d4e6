"""From finished runs to numbers: R, D, C, each with its standard error.

    rows = evaluation.run(Run(path), Options(num_samples=1))

TensorFlow is imported only when a function is called.
"""

from vae_info.evaluation.options import Options as Options, Settings as Settings
from vae_info.runs import Run
from vae_info.runs.paths import Path


def run(run: Run, options: Options | None = None) -> list[dict]:
  """Evaluates a finished run, and fits the classifiers that it lacks.

  It also writes the rows of test images into the run directory. If the options
  name a task or betas, the other rows there stay. Rows of validation images are
  only returned.

  Args:
    run: Locked meanwhile, so no other process may be using it.
    options: What to evaluate, and how; by default `Options()`.

  Returns:
    A row of the table of results for each beta and task.

  Raises:
    UserError: The run is unfinished, damaged, or in use, or it lacks what the
      options ask for.
  """
  run.check_finished()
  from vae_info.evaluation import measure

  with run.lock():
    return measure.measure(run, options or Options())


def fit_classifiers(run: Run, options: Options | None = None) -> list[Path]:
  """Fits the classifiers of a finished run, and replaces those that it has.

  Args:
    run: Locked meanwhile, so no other process may be using it.
    options: What to fit, and how; by default `Options()`.

  Returns:
    The folder of each task's classifiers.

  Raises:
    UserError: For the same reasons as in `run`.
  """
  run.check_finished()
  from vae_info.evaluation import measure

  with run.lock():
    return measure.fit_classifiers(run, options or Options())
