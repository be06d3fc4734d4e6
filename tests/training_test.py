"""The training step in every variant, and a training loop that resumes."""

import dataclasses
import functools
import math
import os
import signal
import types

import numpy as np
import pytest
import tensorflow as tf

from vae_info import loop, steps, training
from vae_info.config import Config, families
from vae_info.devices import get_strategy
from vae_info.errors import Stopped, UserError
from vae_info.loop import Execution, Schedule
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints, interruption, summaries


def tiny_config(**kwargs):
  defaults = {'latent_size': 4, 'batch_size': 16, 'steps': 6}
  return Config(**{**defaults, **kwargs})


def run_steps(config, tiny, execution=None, count=3):
  """Trains `count` steps; returns rates, distortions and the model."""
  execution = execution or Execution()
  pixels = tiny.train.images
  if config.binarization == 'dynamic':
    pixels = tiny.train_intensities
  schedule = Schedule.of(config, 64)
  with execution.strategy.scope():
    model = models.build(config, tiny.train.images)
    optimizer = loop.make_optimizer(schedule, model.trainable_variables)
    images = tf.Variable(pixels, trainable=False)
  train_steps = steps.make_steps(config, model, optimizer, images, execution)
  values = train_steps(tf.constant(0), tf.constant(schedule.order(0, count)))
  return values['rate'].numpy(), values['distortion'].numpy(), model


@pytest.fixture(scope='module')
def trained(tiny):
  """A function: the weights after three steps of a changed `tiny_config`."""

  @functools.cache
  def weights_of(**changes):
    _, _, model = run_steps(tiny_config(**changes), tiny)
    return weights(model)

  return weights_of


def mirrored():
  return Execution(get_strategy('mirrored'))


def weights(model):
  return [variable.numpy() for variable in model.trainable_variables]


SIMPLEST = ('conv', 'deconvolutional', 'gaussian', 1.0)


def smooth_beta(encoder, *others):
  """A beta at which each weight of a new model has a gradient.

  Classes start at clusters. At a beta of 1 each quadrant is in its class with
  probability 1, to float precision, and nothing of the encoder has a gradient.
  """
  del others
  return 100.0 if encoder == 'categorical' else 1.0


@pytest.mark.parametrize(
  'encoder, decoder, marginal, beta',
  [
    *(
      pytest.param(*parts, marks=() if parts == SIMPLEST else pytest.mark.slow)
      for parts in (
        *((*parts, smooth_beta(*parts)) for parts in families()),
        ('iaf', 'autoregressive', 'vampprior', '0.1:10'),
        ('conv', 'deconvolutional', 'mixture', '0.1:10'),
      )
    ),
  ],
)
def test_every_step_compiles_with_xla(tiny, encoder, decoder, marginal, beta):
  config = tiny_config(
    encoder=encoder, decoder=decoder, marginal=marginal, beta=beta
  )
  before = weights(models.build(config, tiny.train.images))
  rates, distortions, model = run_steps(
    config, tiny, Execution(jit_compile=True)
  )
  assert np.all(np.isfinite(rates))
  assert np.all(np.isfinite(distortions))
  for old, new in zip(before, weights(model), strict=True):
    assert not np.array_equal(old, new), 'a variable is not trained'


@pytest.mark.slow
@pytest.mark.parametrize(
  'flags',
  [
    {'encoder': 'conv', 'marginal': 'maf', 'free_nats': 0.5},
    {'encoder': 'iaf', 'marginal': 'maf', 'free_nats': 0.5},
    {'marginal': 'vampprior', 'beta': '0.1:10'},
  ],
)
def test_two_devices_give_the_result_of_one(tiny, flags):
  config = tiny_config(**flags)
  one_rates, one_distortions, one = run_steps(config, tiny)
  assert mirrored().strategy.num_replicas_in_sync == 2
  rates, distortions, two = run_steps(config, tiny, mirrored())
  np.testing.assert_allclose(rates, one_rates, rtol=1e-3)
  np.testing.assert_allclose(distortions, one_distortions, rtol=1e-4)
  for a, b in zip(weights(one), weights(two), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
  'flags',
  [
    {'encoder': 'iaf', 'marginal': 'maf', 'free_nats': 0.5},
    {'marginal': 'vampprior', 'beta': '0.1:10'},
    {'marginal': 'vampprior', 'decoder': 'autoregressive'},
  ],
)
def test_shares_give_the_result_of_the_whole_batch(tiny, flags):
  config = tiny_config(**flags)
  one_rates, one_distortions, one = run_steps(config, tiny)
  rates, distortions, two = run_steps(config, tiny, Execution(shards=4))
  np.testing.assert_allclose(rates, one_rates, rtol=1e-3)
  np.testing.assert_allclose(distortions, one_distortions, rtol=1e-4)
  for a, b in zip(weights(one), weights(two), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
  'cores, batch_size, betas, shares',
  [(1, 100, None, 1), (4, 100, None, 4), (4, 50, None, 2), (3, 20, None, 2)]
  + [(3, 12, 2, 2), (4, 12, 2, 4), (8, 100, 100, 5)],
)
def test_shares_are_equal(cores, batch_size, betas, shares):
  assert Execution(shards=cores).shards_of(batch_size, betas) == shares


@pytest.mark.parametrize('marginal', ['gaussian', 'vampprior'])
def test_a_flow_is_never_inverted_in_a_step(tiny, marginal):
  # Its inverse takes a loop over dimensions. Its cache has it.
  config = tiny_config(encoder='iaf', marginal=marginal)
  model = models.build(config, tiny.train.images)
  forward = steps._make_forward(
    config, model, tf.constant(tiny.train.images), shares=2
  )
  common = steps._common
  whole = tf.function(
    lambda step, rows: forward(step, rows, 1, common(config, model, 2))
  )
  traced = whole.get_concrete_function(tf.constant(0), tf.range(16))
  kinds = {node.type for node in traced.graph.get_operations()}
  assert 'MatMul' in kinds
  assert not {kind for kind in kinds if 'While' in kind}


def test_weight_decay_shrinks_kernels_alone():
  names = ('kernel', 'bias', 'means')
  variables = [tf.Variable([4.0], name=name) for name in names]
  schedule = Schedule.of(tiny_config(learning_rate=1e-9), 64)
  optimizer = loop.make_optimizer(schedule, variables)
  loop.update(optimizer, variables, [tf.ones([1])] * 3, decay=0.25)
  np.testing.assert_allclose(
    [v.numpy() for v in variables], [[3], [4], [4]], atol=1e-6
  )


@pytest.fixture
def grey(tiny):
  """The tiny data set with intensities: strokes are 200, the ground is 20."""
  intensities = np.where(tiny.train.images, 200, 20).astype(np.uint8)
  return dataclasses.replace(tiny, train_intensities=intensities)


def dynamic_config(**kwargs):
  return tiny_config(dataset='omniglot', binarization='dynamic', **kwargs)


def test_two_devices_draw_the_pixels_of_one(grey):
  config = dynamic_config()
  one_rates, one_distortions, one = run_steps(config, grey)
  rates, distortions, two = run_steps(config, grey, mirrored())
  np.testing.assert_allclose(rates, one_rates, rtol=1e-3)
  np.testing.assert_allclose(distortions, one_distortions, rtol=1e-4)
  for a, b in zip(weights(one), weights(two), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_pixels_are_drawn_afresh_for_each_step_with_their_intensity():
  intensities = tf.reshape(
    tf.repeat(tf.constant([0, 51, 255], tf.uint8), 40_000), [4, 3, 10_000, 1]
  )
  draw = lambda step, replica, replicas: (  # noqa: E731
    steps._draw_pixels(7, step, intensities, replica, replicas).numpy()
  )
  first = draw(0, 0, 1)
  flat = first.reshape(3, -1)
  assert flat[0].sum() == 0
  assert flat[1].mean() == pytest.approx(0.2, abs=3 * 0.002)
  assert flat[2].mean() == 1
  np.testing.assert_array_equal(draw(0, 0, 1), first)
  assert not np.array_equal(draw(1, 0, 1), first)
  # Two replicas draw different pixels, even from the same images.
  assert not np.array_equal(draw(0, 0, 2), draw(0, 1, 2))


def test_dynamic_binarization_changes_the_result_and_resumes(grey, tmp_path):
  config = dynamic_config(steps=4)
  train(config, grey, tmp_path / 'a', steps_per_call=4)
  train(config, grey, tmp_path / 'b', steps_per_call=1)
  dynamic = final_weights(config, tmp_path / 'a', grey)
  again = final_weights(config, tmp_path / 'b', grey)
  static = tiny_config(dataset='omniglot', steps=4)
  train(static, grey, tmp_path / 'c')
  fixed = final_weights(static, tmp_path / 'c', grey)
  for a, b, c in zip(dynamic, again, fixed, strict=True):
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_batch_that_devices_cannot_share_is_refused(tiny):
  with pytest.raises(UserError, match='multiple of the 2 devices, got 15'):
    run_steps(tiny_config(batch_size=15), tiny, mirrored())


def test_a_tpu_is_for_the_strategy_of_tpus_alone():
  with pytest.raises(UserError, match='--tpu=x is not for --strategy=mirr'):
    get_strategy('mirrored', 'x')


def test_a_mistake_leaves_no_directory(tiny, tmp_path):
  run = Run(tmp_path / 'run')
  with pytest.raises(UserError, match='multiple of the 2 devices, got 15'):
    training.train(tiny_config(batch_size=15), tiny, run, mirrored())
  with pytest.raises(UserError, match='without intensities'):
    training.train(dynamic_config(), tiny, run)
  assert not run.path.exists()


def test_beta_changes_the_result(tiny):
  rates = [
    run_steps(tiny_config(beta=beta, steps=60), tiny, count=60)[0][-1]
    for beta in (0.1, 10.0)
  ]
  assert rates[0] > 1.5 * rates[1]


def test_annealing_starts_without_the_rate(trained):
  almost_free = trained(beta=10.0, kl_annealing_epochs=1000)
  free, full = trained(beta=0.0), trained(beta=10.0)

  def distance(a, b):
    return sum(np.sum((x - y) ** 2) for x, y in zip(a, b, strict=True))

  assert distance(almost_free, free) < 0.1 * distance(full, free)


def test_free_nats_leave_a_low_rate_alone(trained):
  low = trained(beta=10.0, free_nats=1e6)
  high = trained(beta=10.0, free_nats=1e-6)
  for a, b in ((trained(beta=0.0), low), (high, trained(beta=10.0))):
    for x, y in zip(a, b, strict=True):
      np.testing.assert_array_equal(x, y)
  assert not np.array_equal(low[0], high[0])


def test_an_epoch_sees_every_image_once():
  schedule = Schedule.of(tiny_config(batch_size=10), 64)
  rows = schedule.order(0, 12)
  assert rows.shape == (12, 10)
  first, second = rows[:6].reshape(-1), rows[6:].reshape(-1)
  assert len(set(first)) == len(set(second)) == 60
  assert not np.array_equal(first, second)
  np.testing.assert_array_equal(schedule.order(4, 5), rows[4:9])


def test_learning_rate_schedules():
  schedules = {
    decay: Schedule(64, 16, None, 10_000, 0, learning_rate=1.0, decay=decay)
    for decay in ('cosine', 'paper')
  }
  rates = [float(schedules['cosine'].rate(step)) for step in (99, 5000)]
  np.testing.assert_allclose(rates, [0.5, 0.5], atol=0.01)
  for step, expected in ((0, 1), (5000, 1), (7500, 0.5), (10_000, 0)):
    value = schedules['paper'].rate(step)
    np.testing.assert_allclose(value, expected, atol=1e-6)


def test_steps_are_given_or_follow_from_epochs():
  assert Schedule(64, 10, 2.5, None, 0, 1.0).total == 15
  assert Schedule(64, 10, 0.01, None, 0, 1.0).total == 1
  assert Schedule(64, 10, None, 7, 0, 1.0).total == 7
  with pytest.raises(UserError, match='batch_size 65 is larger than the 64'):
    Schedule(64, 65, None, 7, 0, 1.0)


def test_annealing_for_all_of_a_part_of_an_epoch_is_no_mistake(tiny, tmp_path):
  # 1.4 epochs of 64 images are 5.6 steps of 16, of which 6 are taken.
  for epochs in (1.4, 0.35, 0.3):
    config = tiny_config(steps=None, epochs=epochs, kl_annealing_epochs=epochs)
    run = Run(tmp_path / f'{epochs}')
    training.train(config, tiny, run)
    assert run.facts['step'] == Schedule.of(config, 64).total


def test_annealing_ends_before_the_last_step(tiny, tmp_path):
  config = Config(steps=3, batch_size=16, kl_annealing_epochs=1.0)
  with pytest.raises(UserError, match='are 4 steps, but there are only 3'):
    train(config, tiny, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_a_misspelt_network_leaves_no_run_directory(tiny, tmp_path):
  with pytest.raises(UserError, match='Nothing'):
    config = Config(marginal='json:Nothing', batch_size=16)
    train(config, tiny, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('batch_size, noted', [(13, True), (12, False)])
def test_a_batch_that_leaves_cores_idle_is_noted(
  tiny, tmp_path, capsys, batch_size, noted
):
  config = tiny_config(batch_size=batch_size, steps=1)
  train(config, tiny, tmp_path / 'run', shards=4)
  note = 'note: batches of 13 images keep 1 of 4 cores busy'
  assert (note in capsys.readouterr().err) is noted


def train(config, dataset, folder, **execution):
  training.train(config, dataset, Run(folder), Execution(**execution))


def final_weights(config, run, tiny):
  model = models.build(config, tiny.train.images)
  checkpoints.restore_newest(
    tf.train.Checkpoint(model=model), run / 'checkpoints', partial=True
  )
  return weights(model)


def test_stopping_and_resuming_changes_nothing(tiny, tmp_path, monkeypatch):
  config = tiny_config(marginal='vampprior', steps=6)
  train(config, tiny, tmp_path / 'whole', steps_per_call=6)
  real_save = checkpoints.save

  def save_and_signal(manager, step):
    real_save(manager, step)
    os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(checkpoints, 'save', save_and_signal)
  stops = 0
  while not Run(tmp_path / 'parts').finished:
    try:
      train(
        config,
        tiny,
        tmp_path / 'parts',
        steps_per_call=2,
        checkpoint_minutes=0,
      )
    except Stopped as stopped:
      assert stopped.saved
      assert stopped.status == 42
      stops += 1
  assert stops >= 2
  whole = final_weights(config, tmp_path / 'whole', tiny)
  parts = final_weights(config, tmp_path / 'parts', tiny)
  for a, b in zip(whole, parts, strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_second_signal_says_that_nothing_was_saved():
  with interruption.Signals() as signals:
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.received == signal.SIGTERM
    with pytest.raises(Stopped, match='resumes what is saved') as stopped:
      os.kill(os.getpid(), signal.SIGTERM)
  assert stopped.value.status == 42


def test_a_loss_that_is_not_finite_stops_the_run(tiny, tmp_path):
  config = tiny_config(learning_rate=1e20, steps=20)
  with pytest.raises(
    UserError, match='(rate|distortion) is .* at step|not fin'
  ):
    train(
      config, tiny, tmp_path / 'run', steps_per_call=1, checkpoint_minutes=0
    )
  assert not Run(tmp_path / 'run').finished
  for array in final_weights(config, tmp_path / 'run', tiny):
    assert np.all(np.isfinite(array))


def test_summaries_can_be_read_back(tiny, tmp_path, monkeypatch):
  from tensorboard.backend.event_processing import event_accumulator

  monkeypatch.setattr(summaries, 'PICTURES_SHARE', math.inf)
  train(
    tiny_config(steps=10),
    tiny,
    tmp_path,
    steps_per_call=2,
    checkpoint_minutes=0,
  )
  events = event_accumulator.EventAccumulator(
    str(tmp_path / 'summaries'), {'tensors': 0}
  )
  events.Reload()
  assert [event.step for event in events.Tensors('rate')] == [2, 4, 6, 8, 10]
  assert len(events.Tensors('learning_rate')) == 5
  for name in ('test_images', 'reconstructions', 'samples'):
    assert len(events.Tensors(name)) >= 3


def test_bits_per_dimension_are_of_all_values_of_an_image(
  tmp_path, monkeypatch
):
  config = tiny_config(dataset='tfds:mnist', binarization='none')
  run = Run(tmp_path / 'run')
  run.open(config)
  said = []
  monkeypatch.setattr(
    training.Progress, 'update', lambda self, step, text: said.append(text)
  )
  monkeypatch.setattr(training.Writer, 'picture', lambda *args: None)
  data = types.SimpleNamespace(
    image_shape=(4, 3, 2), test=types.SimpleNamespace(images=None)
  )
  model = types.SimpleNamespace(at=lambda beta: None)
  values = {'rate': np.array([1.0, 3.0]), 'distortion': np.array([40.0, 60.0])}
  with training._Observer(config, run, Schedule.of(config, 64), 0) as observer:
    observer.picture(model, data)
    observer.after_call(2, values, 1.0)
  # (50 + 2) / (24 ln 2)
  assert [text.split('  ')[-1] for text in said] == ['3.126 bits/dim']
