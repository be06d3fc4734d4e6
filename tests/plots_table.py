"""Makes up a table of results from formulas, and runs commands that read it."""

import csv
import itertools
import math
import os
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]

# The columns as `vae_info.results` writes them.
COLUMNS = (
  'run',
  'dataset',
  'binarization',
  'task',
  'method',
  'encoder',
  'decoder',
  'marginal',
  'architecture',
  'latent_size',
  'beta',
  'beta_trained',
  'seed',
  'epochs',
  'kl_annealing_epochs',
  'step',
  'precision',
  'noise',
  'rate',
  'rate_stderr',
  'distortion',
  'distortion_stderr',
  'rate_plus_distortion',
  'rate_plus_distortion_stderr',
  'rate_variational',
  'rate_variational_stderr',
  'classifier',
  'label_distortion',
  'label_distortion_stderr',
  'label_accuracy',
  'label_accuracy_stderr',
  'label_preference',
  'label_preference_stderr',
  'label_entropy',
  'input_entropy',
  'num_samples',
  'train_seconds',
  'device',
  'version',
)

# From data set to H(X) and its tasks. From task to H(Y), the label information
# that a nat of rate brings, and C of the four baselines.
DATA = {
  'binarized_mnist': (
    79.78,
    {'digit': (2.3008, 0.19, (0.35, 0.14, 0.07, 0.02))},
  ),
  'omniglot': (
    89.83,
    {
      'alphabet': (3.857, 0.018, (3.3, 2.9, 3.0, 1.1)),
      'character': (7.3128, 0.028, (6.1, 5.5, 5.7, 2.2)),
    },
  ),
}
FAMILIES = [
  ('conv', decoder, marginal)
  for decoder in ('deconvolutional', 'autoregressive')
  for marginal in ('gaussian', 'maf', 'vampprior')
] + [
  ('iaf', decoder, 'gaussian')
  for decoder in ('deconvolutional', 'autoregressive')
]


def rows(datasets=tuple(DATA)) -> list[dict]:
  """Rows of all families, at one beta and over a range; and of baselines."""
  return [row for name in datasets for row in _of_dataset(name)]


def _of_dataset(dataset):
  entropy, tasks = DATA[dataset]
  for task, facts in tasks.items():
    common = {
      'dataset': dataset,
      'binarization': 'static',
      'task': task,
      'classifier': 'mlp 200-200',
      'label_entropy': facts[0],
      'input_entropy': entropy,
    }
    for number, family in enumerate(FAMILIES):
      for rate in np.geomspace(2, 42, 12):
        yield common | _vae(dataset, family, number, rate, facts, ranged=True)
      if family[0] == 'conv':
        for seed in range(3 if number in (0, 3) else 1):
          shape = common | _vae(
            dataset, family, number, 21.7 + seed, facts, seed=seed
          )
          yield shape
    yield from (common | row for row in _baselines(dataset, task, facts))


def _vae(dataset, family, number, rate, facts, ranged=False, seed=0):
  label_entropy, slope, (_, _, _, best) = facts
  encoder, decoder, marginal = family
  strong = decoder == 'autoregressive'
  # D + R rises above its bound with the rate. At low rates, only a strong
  # decoder is near the bound.
  entropy = DATA[dataset][0]
  total = entropy + 4 + number % 4 + 0.08 * rate
  if not strong:
    total += 125 * math.exp(-rate / 9)
  kept = 1 - math.exp(
    -slope * rate * (0.75 if strong else 1) * (1 + number / 40)
  )
  loss = label_entropy - (label_entropy - best - 0.03) * kept
  loss = max(loss, label_entropy - rate)
  beta = round(60 / rate**1.2, 4)
  name = '_'.join([dataset, *family, 'compact'])
  stderr = 0.002 + 0.01 * loss
  preference = (label_entropy - loss) / (label_entropy * rate / entropy)
  return {
    'run': f'{name}_beta{"0.2-40" if ranged else beta}_seed{seed}',
    'method': 'vae',
    'encoder': encoder,
    'decoder': decoder,
    'marginal': marginal,
    'architecture': 'compact',
    'latent_size': 64,
    'beta': beta,
    'beta_trained': '0.2:40' if ranged else '',
    'seed': seed,
    'rate': rate,
    'rate_stderr': 0.01 + 0.002 * rate,
    'distortion': total - rate,
    'distortion_stderr': 0.17,
    'rate_plus_distortion': total,
    'rate_plus_distortion_stderr': 0.2,
    'label_distortion': loss,
    'label_distortion_stderr': stderr,
    'label_accuracy': math.exp(-loss),
    'label_preference': preference,
    'label_preference_stderr': stderr * entropy / label_entropy / rate,
  }


def _baselines(dataset, task, facts):
  label_entropy, slope, losses = facts
  methods = (
    'random_dense',
    'random_conv',
    'supervised_simple',
    'supervised_complex',
  )
  for method, loss in zip(methods, losses, strict=True):
    for seed in range(3 if method.startswith('random') else 1):
      yield {
        'run': f'{dataset}_{task}_{method}_seed{seed}',
        'method': method,
        'seed': seed,
        'label_distortion': loss * (1 + 0.02 * seed),
        'label_distortion_stderr': 0.005,
      }
  for size, noise in itertools.product(
    (5, 10, 30, 60), np.geomspace(0.1, 4, 8)
  ):
    rate = size / 2 * math.log1p(noise**-2)
    best = losses[0] * (0.5 + 10 / size)
    kept = 1 - math.exp(-0.5 * slope * rate * (1 - abs(size - 30) / 200))
    yield {
      'run': f'{dataset}_{task}_pca{size}_{noise:.3f}',
      'method': 'pca',
      'latent_size': size,
      'noise': noise,
      'seed': 0,
      'rate': rate,
      'label_distortion': label_entropy - max(label_entropy - best, 0) * kept,
      'label_distortion_stderr': 0.004,
    }


def write(path, rows, columns=COLUMNS):
  """Writes a CSV file, with empty fields for what a row lacks; its path."""
  with open(path, 'w', newline='') as file:
    table = csv.DictWriter(
      file, columns, lineterminator='\n', extrasaction='ignore'
    )
    table.writeheader()
    table.writerows(rows)
  return path


def run(module, *flags, status=0, seed='0'):
  """Runs a command of `plots` to its end; returns what it printed."""
  done = subprocess.run(
    [sys.executable, '-m', f'plots.{module}', *map(str, flags)],
    cwd=ROOT,
    env={**os.environ, 'PYTHONHASHSEED': seed},
    capture_output=True,
    text=True,
    timeout=600,
  )
  assert done.returncode == status, done.stdout + done.stderr
  return done.stdout if status == 0 else done.stderr
