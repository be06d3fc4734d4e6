"""Parts of the benchmark that run whole processes.

The main job's phases and memory, and what the settings of `machine.py` gain.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

# Settings by name: what turns each off, for a process. glibc takes a variable
# over what `machine.py` sets; these are its own defaults.
OFF = {
  'oneDNN': {'TF_ENABLE_ONEDNN_OPTS': '0'},
  'keeping freed memory': {
    'MALLOC_TRIM_THRESHOLD_': '131072',
    'MALLOC_TOP_PAD_': '131072',
    'MALLOC_MMAP_THRESHOLD_': '131072',
  },
}
# What oneDNN may use, so that a CPU with AVX-512 can play one without.
CPUS = {'this CPU': {}, 'with AVX2': {'ONEDNN_MAX_CPU_ISA': 'AVX2'}}

# Prints the seconds of a step: the shortest of three calls.
_TIME_STEPS = """
from tests.benchmark import Step
step = Step(); step.call(); print(min(step.call_seconds() for _ in range(3)))
"""


def step_seconds(variables: dict[str, str]) -> float:
  """A step of the default config, in a process with these variables."""
  process = subprocess.run(
    [sys.executable, '-c', _TIME_STEPS],
    cwd=pathlib.Path(__file__).parents[1],
    env=os.environ | variables,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    check=True,
  )
  return float(process.stdout)


def settings(pairs: int = 3):
  """Compares training steps without and with each setting of `machine.py`."""
  for cpu, limit in CPUS.items():
    for name, off in OFF.items():
      # Alternates, so that slow changes in the machine's load affect both.
      times = [
        (step_seconds(limit | off), step_seconds(limit)) for _ in range(pairs)
      ]
      without, normal = np.array(times).T
      yield (
        f'step without {name} over step with it, compact float32, {cpu}',
        float(np.median(without / normal)),
        '>= 1',
        f'{1e3 * np.median(without):.1f} ms over {1e3 * np.median(normal):.1f}'
        f' ms, {pairs} pairs of processes',
      )


def run_command(*arguments: str) -> tuple[float, float]:
  """Runs a command: its seconds, and its peak memory in GiB."""
  started = time.perf_counter()
  process = subprocess.Popen(
    [sys.executable, '-m', *arguments],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  _, status, usage = os.wait4(process.pid, 0)
  process.returncode = os.waitstatus_to_exitcode(status)
  took = time.perf_counter() - started
  if process.returncode:
    raise RuntimeError(f'{arguments} ended with {process.returncode}')
  return took, usage.ru_maxrss / 2**20  # Linux counts in KiB.


def job(steps: int = 300, classifier_epochs: int = 4):
  """Times a short training and its evaluation, at one beta and at twelve.

  Their peak memory is that of long ones: whole splits lie in memory in both.
  """
  for name, beta in (('one beta', '1'), ('twelve betas', '0.6:10')):
    with tempfile.TemporaryDirectory() as folder:
      run = f'--run={folder}/run'
      took, memory = run_command(
        'vae_info.train', run, f'--beta={beta}', f'--steps={steps}'
      )
      yield (
        f'GiB at most, train, {name}',
        memory,
        '<= 2',
        f'{took:.0f} s for {steps} steps',
      )
      took, memory = run_command(
        'vae_info.evaluate', run, f'--classifier_epochs={classifier_epochs}'
      )
      fitting = [
        float(re.search(r'"seconds": ([\d.]+)', path.read_text())[1])
        for path in pathlib.Path(folder).rglob('classifier.json')
      ]
      yield (
        f'GiB at most, evaluate, {name}',
        memory,
        '<= 2',
        f'{took:.0f} s, of which {max(fitting):.0f} s classifiers of '
        f'{classifier_epochs} epochs',
      )
