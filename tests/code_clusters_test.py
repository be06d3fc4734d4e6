"""Clusters of the codes of a finished training."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from vae_info import baselines
from vae_info.baselines import one_hot
from vae_info.baselines.config import ALL, BaselineConfig
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import model as models
from vae_info.runs import Run, rows as tables

FAMILY = {'latent_size': 6, 'beta': 2.5, 'augmentation': 'affine'}


def finished(folder, tiny, **flags):
  """The run of a model as it is at its start."""
  config = Config(**(FAMILY | flags))
  run = Run(folder / config.run_name)
  run.open(config)
  images = tiny.train.images
  run.finish({'step': 1, 'train_images': images.shape})
  model = models.build(config, images)
  tf.train.Checkpoint(model=model).save(str(run.checkpoints / 'ckpt'))
  return run


def make(codes_of, **options):
  return BaselineConfig(
    'static_mnist',
    'quadrant',
    'clusters',
    classifier_hidden=(10,),
    classifier_epochs=2,
    classifier_batch_size=16,
    codes_of=codes_of,
    **options,
  )


@pytest.mark.parametrize('by', ['graph', 'kmeans'])
def test_rows(tiny, tmp_path, by, capsys, monkeypatch):
  training = finished(tmp_path, tiny)
  config = make(training.name, clusters_by=by, clusters=(1, 4, 12))
  run = Run(tmp_path / config.run_name)
  rows = baselines.run(config, tiny, run)
  assert [row['latent_size'] for row in rows] == [1, 4, 12]
  for row in rows:
    assert (row['method'], row['variant']) == ('clusters', by)
    assert (row['encoder'], row['beta']) == ('conv', 2.5)
    assert row['augmentation'] == 'affine' and row['epochs'] == 12
    assert set(tables.COLUMNS) <= set(run.rows[0])
  one, _, many = rows
  assert one['rate'] == 0.0
  assert one['label_distortion_least'] == pytest.approx(np.log(4), abs=0.1)
  # Even of random networks, the codes of one quadrant are near each other.
  assert many['label_distortion_least'] < 1.0
  assert many['distortion'] < one['distortion'] - 1
  assert 'normalised mutual information' in capsys.readouterr().out
  # What is done is kept.
  (run.path / 'evaluation.json').unlink()
  monkeypatch.setattr(one_hot, 'fit', None)
  assert baselines.run(config, tiny, run) == rows


def test_rows_of_another_training_or_another_entropy_are_not_kept(
  tiny, tmp_path
):
  training = finished(tmp_path, tiny)
  config = make(training.name, clusters_by='kmeans', clusters=(3,))
  run = Run(tmp_path / 'x')
  preferences = []
  for entropy in (20.0, 40.0):
    data = dataclasses.replace(tiny, entropy_estimate=entropy)
    [row] = baselines.run(config, data, run)
    assert row['input_entropy'] == entropy
    preferences.append(row['label_preference'])
    (run.path / 'evaluation.json').unlink()
  assert preferences[1] == pytest.approx(2 * preferences[0])
  training.finish(training.facts | {'step': 2})
  with pytest.raises(UserError, match='was trained anew .* delete .*x$'):
    baselines.run(config, tiny, run)


def test_with_a_target_rate_beta_is_the_one_that_gave_it(tiny, tmp_path):
  training = finished(tmp_path, tiny, target_rate=3.0)
  training.finish(training.facts | {'beta': 0.75})
  config = make(training.name, clusters_by='kmeans', clusters=(2,))
  [row] = baselines.run(config, tiny, Run(tmp_path / 'x'))
  assert (row['beta'], row['target_rate']) == (0.75, 3.0)


def test_clusters_need_a_training_and_are_not_among_all():
  assert 'clusters' not in ALL
  with pytest.raises(UserError, match='--codes_of is needed'):
    make('')


@pytest.mark.parametrize(
  'flags, options, message',
  [
    ({}, {'codes_of': 'nothing'}, 'nothing'),
    ({'beta': '1:2'}, {}, 'range of betas'),
    ({'dataset': 'sprites'}, {}, 'has dataset sprites, not static_mnist'),
    ({}, {'clusters': (99,)}, 'at most the 64'),
  ],
)
def test_what_cannot_be_clustered(tiny, tmp_path, flags, options, message):
  training = finished(tmp_path, tiny, **flags)
  options = {'codes_of': training.name, 'clusters': (2,)} | options
  config = make(**options)
  with pytest.raises(UserError, match=message):
    baselines.run(config, tiny, Run(tmp_path / 'x'))
