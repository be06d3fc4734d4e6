"""What codes know of pixels: known answers, and the columns of a run."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import datasets, evaluation
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.evaluation import Options, pixels
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints, rows as tables

tfd = tfp.distributions
SHARE = 0.3  # Of ones, in all pixels, which are independent.
COUNTS = {'train': 6_000, 'test': 4_000}


@pytest.fixture(scope='module')
def images():
  """Independent pixels, uint8 `[N, 8, 8, 1]` of each split."""
  rng = np.random.default_rng(0)
  return {
    name: (rng.random([count, 8, 8, 1]) < SHARE).astype(np.uint8)
    for name, count in COUNTS.items()
  }


def noise(count, seed):
  return np.random.default_rng(seed).normal(size=[count, 3]).astype(np.float32)


def code_of_one_pixel(images, seed):
  """Codes `[N, 3]` that hold the pixel in row 2, column 5; and noise."""
  codes = noise(len(images), seed)
  codes[:, 1] = 4.0 * images[:, 2, 5, 0] - 2.0
  return codes


@pytest.fixture(scope='module')
def known(images):
  """Of codes that are independent of the image, and of codes of one pixel."""
  draws = [
    lambda epoch: tf.constant(noise(COUNTS['train'], epoch + 10)),
    lambda epoch: tf.constant(code_of_one_pixel(images['train'], epoch)),
  ]
  decoder = pixels.fit(draws, images['train'], seed=0)
  shares = pixels.frequencies(images['train'])
  codes = [
    noise(COUNTS['test'], 99),
    code_of_one_pixel(images['test'], 98),
  ]
  return [
    pixels.measure(decoder, kind, Fixed(each), images['test'], shares)
    for kind, each in enumerate(codes)
  ]


class Fixed:
  """Takes the place of `estimates.Codes`: one code of each image."""

  def __init__(self, codes):
    self._codes = codes

  def mean(self, function, *arrays):
    return function(tf.constant(self._codes), *arrays).numpy().T.astype(float)


ENTROPY = -(SHARE * np.log(SHARE) + (1 - SHARE) * np.log(1 - SHARE))


def test_codes_without_information_know_nothing(known):
  # A bit below 0: the decoder is fitted to other images.
  assert -0.15 < known[0].of_images.mean() < 0.02
  assert np.abs(known[0].of_pixels).max() < 0.02


def test_codes_of_one_pixel_know_its_entropy(known):
  found = known[1].of_pixels[..., 0].copy()
  assert found[2, 5] == pytest.approx(ENTROPY, abs=0.03)
  found[2, 5] = 0.0
  assert np.abs(found).max() < 0.02
  assert known[1].of_images.mean() == pytest.approx(ENTROPY, abs=0.15)


def test_the_map_adds_up_to_the_column(known):
  for one in known:
    total = one.columns['pixel_information']
    assert one.of_pixels.sum() == pytest.approx(total)
    spread = one.of_images.std(ddof=1) / np.sqrt(COUNTS['test'])
    assert one.columns['pixel_information_stderr'] == pytest.approx(spread)


def test_a_pixel_that_is_always_0_has_a_frequency_above_0():
  shares = pixels.frequencies(np.zeros([9, 2, 2, 1], np.uint8))
  np.testing.assert_allclose(shares, 0.05)


def test_entropies_are_of_training_frequencies_on_test_images(monkeypatch):
  rng = np.random.default_rng(1)
  train, test = (
    types.SimpleNamespace(
      images=(rng.random([count, 4, 4, 1]) < share).astype(np.uint8)
    )
    for count, share in ((30, 0.3), (50, 0.6))
  )
  # A decoder that says 1/2 of each pixel.
  decoder = types.SimpleNamespace(
    pixels=lambda codes, kinds: tfd.Bernoulli(tf.zeros([50, 4, 4, 1]))
  )
  monkeypatch.setattr(pixels, 'fit', lambda *args: decoder)
  monkeypatch.setattr(pixels.estimates, 'make_draw', lambda *args: None)
  codes = Fixed(noise(50, 0))
  codes.seed = 0
  found = pixels.measure_points(
    [types.SimpleNamespace(beta=2.0, model=None)],
    {2.0: noise(30, 1)},
    {2.0: codes},
    types.SimpleNamespace(train=train, test=test),
  )
  q = (train.images.sum(axis=0) + 0.5) / 31
  entropies = -np.where(test.images, np.log(q), np.log1p(-q))
  np.testing.assert_allclose(
    found[2.0].of_pixels, entropies.mean(axis=0) - np.log(2), atol=1e-5
  )
  np.testing.assert_allclose(
    found[2.0].of_images,
    entropies.sum(axis=(1, 2, 3)) - 16 * np.log(2),
    atol=1e-4,
  )


FAST = {'epochs': 1, 'batch_size': 32, 'hidden': (5,)}
OPTIONS = Options(
  num_samples=1, bounds=False, refit_decoder=True, classifier=FAST
)


@pytest.fixture
def run(tmp_path, tiny, monkeypatch):
  """A finished multi-beta model of the tiny data, not trained."""
  monkeypatch.setattr(datasets, 'load', lambda *args: tiny)
  monkeypatch.setattr(pixels, 'EPOCHS', 1)
  run = Run(tmp_path / 'run')
  run.open(Config(latent_size=2, beta='0.5:4', decoder='autoregressive'))
  model = models.build(run.config, tiny.train.images)
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(model=model), str(run.checkpoints), max_to_keep=1
  )
  checkpoints.save(manager, 3)
  run.finish({'step': 3, 'train_images': list(tiny.train.images.shape)})
  return run


def test_an_evaluation_fills_the_columns_and_stores_the_maps(run):
  options = dataclasses.replace(OPTIONS, betas=(0.5, 2.0))
  rows = evaluation.run(run, options)
  with np.load(run.pixels) as maps:
    assert maps['betas'].tolist() == [0.5, 2.0]
    assert maps['maps'].shape == (2, 8, 8, 1)
    for row, one in zip(rows, maps['maps'], strict=True):
      assert row['pixel_information'] == pytest.approx(one.sum(), rel=1e-6)
      assert row['pixel_information_stderr'] > 0
  assert evaluation.run(run, options) == rows
  assert tables.pixels_table(rows).count('\n') == 2


def test_sizes_that_the_decoder_cannot_make_are_refused():
  pixels.check_shape([28, 32, 1])
  with pytest.raises(UserError, match='multiples of 4, found 30 x 28'):
    pixels.check_shape([30, 28, 1])


def test_maps_of_other_betas_stay(run):
  for beta in (0.5, 2.0, 0.5):
    evaluation.run(run, dataclasses.replace(OPTIONS, betas=(beta,)))
  with np.load(run.pixels) as maps:
    assert sorted(maps['betas'].tolist()) == [0.5, 2.0]
    assert maps['maps'].shape == (2, 8, 8, 1)


def test_a_run_without_them_is_not_done(run):
  plain = dataclasses.replace(OPTIONS, refit_decoder=False, betas=(1.0,))
  [row] = evaluation.run(run, plain)
  assert row['pixel_information'] is None and not run.pixels.exists()
  assert plain.satisfied_by(run)
  assert not OPTIONS.satisfied_by(run)
  assert tables.pixels_table([row]) == ''


def test_grey_images_are_refused(tmp_path):
  run = Run(tmp_path)
  run.open(Config(dataset='tfds:mnist', binarization='none'))
  run.finish({'step': 1, 'train_images': [5, 4, 4, 1]})
  with pytest.raises(UserError, match='refit_decoder is for binary images'):
    evaluation.run(run, OPTIONS)
