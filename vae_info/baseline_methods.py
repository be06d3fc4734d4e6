"""How each baseline is made: from a config to its rows of the table.

Each function takes the config, the data, the run directory, in which it keeps
what took long, the signals that may stop it, and the row's `label_entropy` and
`input_entropy`. It returns rows without the columns that `baselines.py` knows.

Everything that has a classifier has the one of the beta-VAEs, `classifiers.fit`
and `evaluation.label_distortion`: pixels, outputs of an untrained network and
principal components take the place of the encoder's parameters.
"""

import json
import time

from vae_info import (
  classifiers,
  evaluate,
  evaluation,
  objectives,
  pca,
  random_encoders,
  references,
  supervised,
)
from vae_info.config import UserError
from vae_info.interruption import Stopped
from vae_info.paths import write_atomically
from vae_info.randomness import generator


def _settings(config):
  """The `classifiers.Settings` of a config."""
  return classifiers.Settings(
    config.classifier_hidden,
    config.classifier_learning_rate,
    config.classifier_epochs,
    config.classifier_batch_size,
    config.seed,
  )


def _after_epoch(signals, look=lambda: False):
  """For `classifiers.fit`: ends it by a signal, or where `look()` is True."""

  def after_epoch(number):
    del number
    if signals.received:
      raise Stopped(signals.received)
    return look()

  return after_epoch


def _new_classifier(config, dataset, inputs):
  return classifiers.Mlp(
    inputs,
    dataset.num_classes[config.task],
    config.classifier_hidden,
    generator(config.seed, 'classifier weights'),
  )


def fit_on_codes(config, dataset, run, signals, entropies):
  """A classifier on codes without noise: a random network's, or pixels."""
  del run
  started = time.monotonic()
  images = dataset.train.images
  if config.baseline == 'supervised_simple':
    encoder = random_encoders.Deterministic(random_encoders.pixels)
    codes = evaluation.encode(random_encoders.as_model(encoder), images)
  else:
    encoder, codes = random_encoders.random_encoder(config, images)
  model = random_encoders.as_model(encoder)
  settings = _settings(config)
  classifier = _new_classifier(config, dataset, codes.shape[1])
  after_epoch = _after_epoch(signals)
  if config.early_stopping:
    best = supervised.Best(classifier)
    validation = evaluation.encode(model, dataset.validation.images)
    labels = dataset.validation.labels[config.task]

    def look():
      losses = objectives.label_distortion(labels, classifier(validation))
      return best.update(classifier, losses.numpy().mean())

    after_epoch = _after_epoch(signals, look)
  classifiers.fit(
    classifier,
    evaluation.make_draw(model, codes, config.seed, 'classifier codes'),
    dataset.train.labels[config.task],
    settings,
    config.baseline,
    after_epoch,
  )
  if config.early_stopping:
    best.restore(classifier)
  row = {
    'latent_size': codes.shape[1],
    'classifier': settings.family,
    'train_seconds': round(time.monotonic() - started, 1),
    **_label_columns(config, dataset, model, classifier, entropies),
  }
  return [row]


def _label_columns(config, dataset, model, classifier, entropies, rate=None):
  """The columns about C on test images."""
  losses, right = evaluation.label_distortion(
    model,
    classifier,
    dataset.test.images,
    dataset.test.labels[config.task],
    config.num_samples or 1,
  )
  return {
    **evaluate.estimates(label_distortion=losses, label_accuracy=right),
    **evaluate.preference(entropies, losses, rate),
  }


def fit_pca(config, dataset, run, signals, entropies):
  """Rows of the whole grid; each size's are kept as soon as they are there."""
  images = dataset.train.images
  flat = images.reshape([len(images), -1])
  whitening = pca.Whitening(flat, max(config.pca_sizes))
  if max(config.pca_sizes) > whitening.size:
    raise UserError(
      f'the images have {whitening.size} principal components, not '
      f'{max(config.pca_sizes)}'
    )
  grid = pca.grid(config.pca_sizes, config.pca_rates)
  rows = []
  (run / 'parts').mkdir(exist_ok=True)
  for number, (size, noises) in enumerate(grid.items(), 1):
    part = run / 'parts' / f'{size}.json'
    try:
      rows += json.loads(part.read_text())
      continue
    except (FileNotFoundError, ValueError):
      pass  # Not made yet, or damaged.
    started = time.monotonic()
    encoders = [pca.PcaEncoder(whitening, size, noise) for noise in noises]
    found = _fit_pca_size(config, dataset, encoders, signals, entropies)
    seconds = time.monotonic() - started
    for row in found:
      row['train_seconds'] = round(seconds / len(found), 1)
    write_atomically(part, json.dumps(found, indent=2) + '\n')
    rows += found
    print(
      f'{size} dimensions ({number} of {len(grid)}): {len(found)} noises, '
      f'{seconds:.0f} s',
      flush=True,
    )
  print(summary(rows), flush=True)
  return rows


def _fit_pca_size(config, dataset, encoders, signals, entropies):
  """A row for each noise, with classifiers that are fitted together."""
  size, settings = encoders[0].size, _settings(config)
  models = [random_encoders.as_model(encoder) for encoder in encoders]
  train, test = (  # Means do not depend on the noise.
    evaluation.encode(models[0], split.images)
    for split in (dataset.train, dataset.test)
  )
  members = [_new_classifier(config, dataset, size) for _ in models]
  classifiers.fit_together(
    members,
    [
      evaluation.make_draw(model, train, config.seed, 'classifier codes')
      for model in models
    ],
    dataset.train.labels[config.task],
    settings,
    f'{size} dimensions',
    _after_epoch(signals),
  )
  rows = []
  for model, classifier in zip(models, members, strict=True):
    noise = model.encoder.noise
    validation, _ = evaluation.label_distortion(
      model,
      classifier,
      dataset.validation.images,
      dataset.validation.labels[config.task],
      config.num_samples,
    )
    rate = pca.rate(size, noise)
    row = {
      'latent_size': size,
      'noise': noise,
      'rate': rate,
      'rate_stderr': 0.0,
      'classifier': settings.family,
      'validation_label_distortion': float(validation.mean()),
      **evaluate.estimates(rate_variational=pca.variational_rates(test, noise)),
      **_label_columns(config, dataset, model, classifier, entropies, rate),
    }
    rows.append(row)
  return rows


def summary(rows) -> str:
  """The lower envelope of the grid, and which size is best."""
  losses = [row['validation_label_distortion'] for row in rows]
  lines = ['not beaten on validation images:']
  for index in references.envelope([row['rate'] for row in rows], losses):
    row = rows[index]
    lines.append(
      f'  k {row["latent_size"]:3}  sigma {row["noise"]:.3f}  '
      f'R {row["rate"]:.3f}  C {row["label_distortion"]:.3f} '
      f'± {row["label_distortion_stderr"]:.3f}'
    )
  # The best single size: over the rates that all sizes have.
  rates = {}
  for row in rows:
    rates.setdefault(row['latent_size'], {})[f'{row["rate"]:.3f}'] = row
  common = set.intersection(*map(set, rates.values()))
  if common:
    means = {
      size: sum(found[rate]['validation_label_distortion'] for rate in common)
      / len(common)
      for size, found in rates.items()
    }
    best = min(means, key=means.get)
    lines.append(
      f'best k: {best}, by mean C on validation images over R from '
      f'{min(map(float, common)):.3g} to {max(map(float, common)):.3g}'
    )
  return '\n'.join(lines)


def fit_complex(config, dataset, run, signals, entropies):
  """The convolutional network on pixels."""
  del entropies
  network, facts = supervised.train(config, dataset, run, signals)
  losses, right = supervised.label_distortion(
    network, dataset.test.images, dataset.test.labels[config.task]
  )
  head = '-'.join(map(str, config.classifier_hidden))
  row = {
    'classifier': f'conv 5x{config.depth} mlp {head}'.removesuffix(' mlp '),
    **evaluate.estimates(label_distortion=losses, label_accuracy=right),
  }
  return [row | facts]


METHODS = {
  'random_dense': fit_on_codes,
  'random_conv': fit_on_codes,
  'supervised_simple': fit_on_codes,
  'pca': fit_pca,
  'supervised_complex': fit_complex,
}
