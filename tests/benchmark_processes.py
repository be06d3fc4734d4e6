"""Parts of the benchmark that run whole processes.

The main job's phases and memory, the bounds of one point, and what the settings
of `machine.py` gain.
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


# Bounds the information of made-up codes of MNIST's size. Prints seconds, CPU
# seconds, and GiB at most, of all and of what is there before.
_BOUND = """
import resource, time
from tests import benchmark_processes
from vae_info.evaluation import bounds

def usage():
  used = resource.getrusage(resource.RUSAGE_SELF)
  return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20

splits = benchmark_processes.made_up_splits()
started, (cpu, before) = time.perf_counter(), usage()
found = bounds.measure(*splits, num_classes={'digit': 10})['digit']
took, (after, memory) = time.perf_counter() - started, usage()
print(took, after - cpu, memory, before, found.lowers[1].mean, found.upper.mean)
"""


def made_up_splits():
  """Encodings of MNIST's size: 20 active dimensions of 64, about 20 nats."""
  from vae_info.evaluation.bounds import Encodings
  from vae_info.evaluation.pairwise import Gaussians

  rng = np.random.default_rng(0)
  centres = rng.standard_normal([10, 64])
  widths = np.where(np.arange(64) < 20, 1.0, 0.02)
  splits = []
  for count in (50_000, 10_000, 10_000):
    labels = rng.integers(0, 10, count)
    means = rng.standard_normal([count, 64]) + centres[labels]
    noise = np.exp(0.2 * rng.standard_normal([count, 64]))
    scales = np.where(np.arange(64) < 20, 0.5 * noise, 1.0)
    gaussians = Gaussians(
      (widths * means).astype(np.float32), scales.astype(np.float32)
    )
    codes = gaussians.draw(rng).astype(np.float32)
    variances = 1.0 + 2.0 * widths**2
    log_marginals = -0.5 * (
      np.square(codes) / variances + np.log(2 * np.pi * variances)
    ).sum(axis=1)
    splits.append(Encodings(gaussians, codes, {'digit': labels}, log_marginals))
  return splits


def without_avx512() -> dict[str, str]:
  """Variables that let NumPy play a CPU that has AVX2 alone."""
  from numpy._core import _multiarray_umath as core

  present, used = core.__cpu_features__, core.__cpu_dispatch__
  wide = [name for name in used if name.startswith(('X86_V4', 'AVX512'))]
  names = ' '.join(name for name in wide if present.get(name))
  return {'NPY_DISABLE_CPU_FEATURES': names, 'OPENBLAS_CORETYPE': 'Haswell'}


def bounds(repeats: int = 3):
  """Times all bounds of one point of made-up codes of MNIST's size."""
  for cpu, variables in {'this CPU': {}, 'AVX2': without_avx512()}.items():
    each = []
    for _ in range(repeats):
      process = subprocess.run(
        [sys.executable, '-c', _BOUND],
        cwd=pathlib.Path(__file__).parents[1],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
      )
      each.append([float(text) for text in process.stdout.split()])
    took, used, memory, before, low, high = min(each)
    yield (
      f'seconds of all bounds of one point, {cpu}',
      took,
      '<= 15',
      f'{used:.1f} CPU seconds; I(X;Z) from {low:.2f} to {high:.2f} nats',
    )
    yield (
      f'GiB at most, the same, {cpu}',
      memory,
      '<= 1',
      f'of which {before:.2f} before, with the codes',
    )
