"""Run directories: their content, and which process may write there."""

from vae_info.runs.directory import (
  Run as Run,
  finished_runs as finished_runs,
  gather as gather,
  unevaluated as unevaluated,
)
