"""A flow is trained, stopped and resumed; its rows obey the bounds."""

import numpy as np
import pytest

from vae_info import baselines, loop
from vae_info.baselines import flow_training
from vae_info.baselines.config import BaselineConfig
from vae_info.baselines.job import Job
from vae_info.errors import Stopped
from vae_info.evaluation import least
from vae_info.runs import Run, rows as tables

VARIANTS = ('all', 'coarse', 'untrained', 'learned')
SHORT = {
  'classifier_hidden': (20,),
  'classifier_epochs': 4,
  'classifier_learning_rate': 1e-2,
  'num_samples': 2,
  'epochs': 2,
  'batch_size': 20,
  'flow_rates': (2.0, 8.0, 20.0),
}

pytestmark = pytest.mark.slow  # A flow is trained and measured.


def config(**more):
  return BaselineConfig('static_mnist', 'quadrant', 'flow', **(SHORT | more))


@pytest.fixture(scope='module')
def run(tiny, tmp_path_factory):
  run = Run(tmp_path_factory.mktemp('runs') / 'flow')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(least, 'SIZES', ())  # Networks take long to compile.
    baselines.run(config(), tiny, run)
  return run


def of(run, variant):
  found = [row for row in run.rows if row['variant'] == variant]
  return sorted(found, key=lambda row: row['rate'])


def test_there_is_a_row_for_each_variant_and_rate(run):
  for variant in VARIANTS:
    found = of(run, variant)
    assert len(found) == 3
    for row in found:
      assert row['method'] == 'flow'
      assert not tables.doubts(row | {'input_entropy': None})
      assert row['label_information_lower'] == pytest.approx(
        row['label_entropy'] - row['label_distortion_least']
      )
      total = row['rate'] + row['distortion']
      assert row['rate_plus_distortion'] == pytest.approx(total)
    # The code of the highest rate has most of the label and of the image.
    for name in ('label_distortion', 'distortion'):
      assert found[-1][name] < found[0][name] + 0.1


def test_the_rate_is_near_that_of_the_noise(run):
  found = of(run, 'all')
  rates = [row['rate'] for row in found]
  np.testing.assert_allclose(rates, SHORT['flow_rates'], rtol=0.5)


def test_only_learned_noise_has_a_lower_bound(run):
  for row in run.rows:
    learned = row['variant'] == 'learned'
    assert (row['information_lower'] is not None) == learned
    assert (row['beta'] is not None) == learned
    if learned:
      error = row['information_upper_stderr'] + row['information_lower_stderr']
      upper = row['information_upper'] + 3 * error
      assert row['information_lower'] < upper


def test_pictures_and_the_likelihood_are_in_tensorboard(run):
  names = {path.name for path in run.path.iterdir()}
  assert {'summaries', 'checkpoints', 'trained.json', 'parts'} <= names


def test_rows_that_are_kept_are_not_made_again(run, tiny, monkeypatch):
  before, path = run.rows, run.path / tables.EVALUATION
  path.unlink()
  monkeypatch.setattr(loop, 'take', None)
  for old, new in zip(before, baselines.run(config(), tiny, run), strict=True):
    # The working tree may have changed meanwhile.
    assert new == old | {'version': new['version']}


def test_a_stopped_training_resumes_to_the_same_weights(
  run, tiny, tmp_path, monkeypatch
):
  other, take = Run(tmp_path / 'stopped'), loop.take

  def take_and_stop(state, schedule, execution, steps, observer, signals):
    class Once:
      received = None

      def check(self):
        if state.step >= 3:
          raise Stopped(15)

    short = loop.Execution(steps_per_call=3, checkpoint_minutes=0.0)
    return take(state, schedule, short, steps, observer, Once())

  monkeypatch.setattr(loop, 'take', take_and_stop)
  with pytest.raises(Stopped):
    baselines.run(config(), tiny, other)
  assert not (other.path / 'trained.json').exists()
  monkeypatch.setattr(loop, 'take', take)
  monkeypatch.setattr(least, 'SIZES', ())
  baselines.run(config(), tiny, other)
  first, second = (
    flow_training.train(Job(config(), tiny, each, None))[0]
    for each in (run, other)
  )
  for one, two in zip(
    first.trainable_variables, second.trainable_variables, strict=True
  ):
    np.testing.assert_array_equal(one, two)
