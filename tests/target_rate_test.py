"""A beta that is adapted until the rate is what was asked for."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from vae_info import datasets, training
from vae_info.config import Config
from vae_info.devices import get_strategy
from vae_info.errors import UserError
from vae_info.evaluation import curve, estimates
from vae_info.loop import Execution
from vae_info.multiplier import GAIN, Multiplier
from vae_info.runs import Run


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'beta': '0.1:1'}, 'target_rate needs one first beta instead of a range'),
    ({'free_nats': 1.0}, 'target_rate adapts beta; leave free_nats out'),
    ({'kl_annealing_epochs': 1.0}, 'leave kl_annealing_epochs out'),
    ({'beta': 0.0}, 'target_rate needs a first beta above 0'),
    ({'target_rate': 0.0}, 'target_rate must be above 0'),
  ],
)
def test_what_decides_on_beta_too_is_refused(changes, message):
  with pytest.raises(UserError, match=message):
    Config(**{'target_rate': 5.0, **changes})


def test_beta_rises_above_the_target_and_falls_below_it():
  multiplier = Multiplier(2.0, 5.0)
  # At the target, beta stays.
  assert float(multiplier.follow(tf.constant(5.0))) == pytest.approx(2.0)
  assert multiplier.beta == pytest.approx(2.0)
  # Errors are relative, and are cut off at a factor of e.
  assert float(multiplier.follow(tf.constant(10.0))) == pytest.approx(4.0)
  assert multiplier.beta == pytest.approx(2.0 * 2.0**GAIN, rel=1e-4)
  assert float(multiplier.follow(tf.constant(0.0))) == pytest.approx(
    2.0 * 2.0**GAIN / np.e
  )


@pytest.mark.parametrize('rate', [1e-3, 1e3])
def test_a_target_out_of_reach_leaves_a_beta_that_is_a_number(rate):
  multiplier = Multiplier(1.0, 5.0)
  multiplier.log_beta.assign(np.sign(rate - 5.0) * 19.99)
  for _ in range(3):
    beta = float(multiplier.follow(tf.constant(rate)))
  assert 0.0 < beta < np.inf
  assert multiplier.beta == pytest.approx(
    np.exp(np.sign(rate - 5.0) * 20.0), rel=1e-4
  )


def test_it_finds_the_beta_of_a_known_curve():
  """R = 12 / beta, which the rate nears by a fiftieth a step."""
  multiplier, rate = Multiplier(1.0, 4.0), 0.01
  for _ in range(3_000):
    beta = float(multiplier.follow(tf.constant(rate)))
    rate += 0.02 * (12.0 / beta - rate)
  assert rate == pytest.approx(4.0, abs=0.01)
  assert multiplier.beta == pytest.approx(3.0, rel=0.01)


def tiny_config(**changes):
  flags = {'latent_size': 4, 'batch_size': 16, 'steps': 6, 'target_rate': 3.0}
  return Config(**(flags | changes))


def train(config, dataset, folder, **execution):
  training.train(config, dataset, Run(folder), Execution(**execution))
  return Run(folder)


def test_resuming_gives_the_same_beta_and_the_same_weights(
  tiny, tmp_path, monkeypatch
):
  whole = train(tiny_config(), tiny, tmp_path / 'whole', steps_per_call=6)
  # Stops after two steps, as a kill would, and starts again.
  real = training.loop.take

  def stops(*args):
    schedule = dataclasses.replace(args[1], epochs=None, steps=2)
    real(args[0], schedule, *args[2:])
    raise KeyboardInterrupt

  monkeypatch.setattr(training.loop, 'take', stops)
  with pytest.raises(KeyboardInterrupt):
    train(tiny_config(), tiny, tmp_path / 'parts', steps_per_call=1)
  monkeypatch.setattr(training.loop, 'take', real)
  parts = train(tiny_config(), tiny, tmp_path / 'parts', steps_per_call=1)
  assert whole.facts['beta'] == parts.facts['beta'] != 1.0
  for a, b in zip(
    whole.model().trainable_variables,
    parts.model().trainable_variables,
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)


def test_a_target_that_is_missed_is_said(tiny, tmp_path, capsys):
  train(tiny_config(target_rate=100.0), tiny, tmp_path / 'missed')
  assert ', not 100; a longer training' in capsys.readouterr().err
  rate = 100.0
  config = tiny_config(target_rate=rate)
  said = training._outcome(config, None, 6, None, 1.04 * rate)
  assert not said


def test_two_devices_give_the_beta_of_one(tiny, tmp_path):
  one = train(tiny_config(), tiny, tmp_path / 'one')
  strategy = get_strategy('mirrored')
  assert strategy.num_replicas_in_sync == 2
  two = train(tiny_config(), tiny, tmp_path / 'two', strategy=strategy)
  assert one.facts['beta'] != 1.0
  assert two.facts['beta'] == pytest.approx(one.facts['beta'], rel=1e-3)


def test_rows_have_the_beta_that_was_found_and_the_target(tiny, tmp_path):
  run = train(tiny_config(), tiny, tmp_path / 'run')
  found = json.loads((tmp_path / 'run' / 'finished.json').read_text())['beta']
  [point] = curve.load(run)
  assert point.beta == found == run.beta
  assert run.model().at(found) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
  'flags',
  [
    {'target_rate': 6.0},
    {'target_rate': 25.0, 'marginal': 'mixture', 'steps': 2500},
    {'target_rate': 6.0, 'decoder': 'autoregressive', 'steps': 1000},
  ],
)
def test_the_rate_of_validation_images_hits_the_target(tmp_path, flags):
  # All images: a rate of few training images would be one that they overfit.
  digits = datasets.load('static_mnist')
  config = Config(**{'steps': 1500, 'latent_size': 16, **flags})
  run = train(config, digits, tmp_path / 'run')
  codes = estimates.Codes.of(run.model(), digits.validation.images)
  rates, _ = estimates.rates_and_distortions(codes, digits.validation.images)
  assert rates.mean() == pytest.approx(config.target_rate, abs=0.2)
