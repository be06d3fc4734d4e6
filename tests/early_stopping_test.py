"""Early stopping of a training by its validation images."""

import os
import signal

import numpy as np
import pytest

from vae_info import steps, training
from vae_info.config import Config
from vae_info.errors import Stopped
from vae_info.loop import Execution
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints

BATCHES = 4  # In an epoch of the tiny data set.


def make_config(**flags):
  # At this learning rate nothing is learned for long.
  return Config(
    latent_size=4,
    batch_size=16,
    epochs=40,
    learning_rate=1.0,
    early_stopping=2,
    **flags,
  )


@pytest.mark.parametrize('beta', ['1', '0.5:5'])
def test_a_training_ends_and_keeps_its_best_weights(
  tiny, tmp_path, monkeypatch, capsys, beta
):
  values = []
  make = steps.make_validation

  def recording(*arguments):
    validate = make(*arguments)

    def record():
      values.append(validate())
      return values[-1]

    return record

  monkeypatch.setattr(training, 'make_validation', recording)
  config, run = make_config(beta=beta), Run(tmp_path / 'run')
  training.train(config, tiny, run)
  epochs = run.facts['step'] // BATCHES
  assert len(values) == epochs < 40
  # Two epochs after the best one it ended, and went back to it.
  assert np.argmin(values) == epochs - 3
  words = f'kept the weights of epoch {epochs - 2}, the best on validation'
  assert words in capsys.readouterr().err
  again = make(config, run.model(), tiny.validation.images)()
  np.testing.assert_allclose(again, min(values), rtol=1e-6)


def test_epochs_of_annealing_do_not_count(tiny, tmp_path):
  run = Run(tmp_path)
  training.train(make_config(kl_annealing_epochs=9.5), tiny, run)
  # The first epoch that counts is the tenth; at best it ends two later.
  assert 12 <= run.facts['step'] // BATCHES < 40


def test_the_last_epoch_counts_if_it_is_a_part(tiny, tmp_path, capsys):
  # The first one does not: its beta is not full.
  flags = {'latent_size': 4, 'batch_size': 16, 'steps': 2 * BATCHES - 1}
  weights = []
  for patience in (0, 1):
    run = Run(tmp_path / str(patience))
    config = Config(early_stopping=patience, kl_annealing_epochs=1.5, **flags)
    training.train(config, tiny, run)
    weights.append(run.model().trainable_variables)
  assert 'kept the weights of epoch 2, the best' in capsys.readouterr().err
  for one, two in zip(*weights, strict=True):
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize('beta', ['1', '0.5:5'])
@pytest.mark.parametrize('marginal', ['gaussian', 'vampprior'])
def test_a_validation_loss_does_not_depend_on_shares(tiny, marginal, beta):
  config = make_config(marginal=marginal, beta=beta)
  model = models.build(config, tiny.train.images)
  values = [
    steps.make_validation(config, model, tiny.validation.images, shares)()
    for shares in (1, 2, 4)
  ]
  np.testing.assert_allclose(values, values[0], rtol=1e-6)


def test_each_class_is_decoded_for_each_validation_image(tiny, tmp_path):
  config = Config(
    encoder='categorical',
    decoder='autoregressive',
    latent_size=4,
    batch_size=16,
    epochs=1,
    early_stopping=1,
  )
  run = Run(tmp_path)
  training.train(config, tiny, run)
  value = steps.make_validation(config, run.model(), tiny.validation.images)()
  assert 0.0 < value < 1.5 * np.log(2) * tiny.train.images[0].size


def test_it_resumes_to_the_same_weights(tiny, tmp_path, monkeypatch):
  config = make_config(marginal='maf')
  whole, parts = Run(tmp_path / 'whole'), Run(tmp_path / 'parts')
  training.train(config, tiny, whole)
  save = checkpoints.save

  def save_and_signal(manager, step):
    save(manager, step)
    os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(checkpoints, 'save', save_and_signal)
  stops = 0
  while not parts.finished:
    try:
      training.train(
        config,
        tiny,
        parts,
        Execution(steps_per_call=3, checkpoint_minutes=0),
      )
    except Stopped:
      stops += 1
  assert stops > 3
  assert parts.facts['step'] == whole.facts['step']
  for a, b in zip(
    whole.model().trainable_variables,
    parts.model().trainable_variables,
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)
