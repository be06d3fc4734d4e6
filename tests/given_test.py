"""Tasks whose classifier is given more than the code: Omniglot's drawers."""

import numpy as np
import prepared_data
import pytest
import small_data
import tensorflow as tf

from vae_info import baselines, datasets, evaluation
from vae_info.baselines.config import BaselineConfig
from vae_info.config import Config
from vae_info.datasets import omniglot_drawers
from vae_info.errors import UserError
from vae_info.evaluation import Options, arrays
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints

NAMES = ['Greek_0', 'Greek_1', 'Latin_0', 'Latin_1']
FAST = {
  'classifier_epochs': 10,
  'classifier_batch_size': 32,
  'classifier_learning_rate': 1e-2,
  'classifier_hidden': (8,),
}


def records(split):
  """The true characters and drawers, in the order of the records of a split.

  It is computed by TensorFlow Datasets' own hash, from the names of files.
  """
  from tensorflow_datasets.core import hashing

  hasher = hashing.Hasher(split)
  files = [
    (f'{name}_{label + 1:04}_{drawer:02}.png', label, drawer - 1)
    for label, name in enumerate(NAMES)
    for drawer in range(1, 21)
  ]
  files.sort(key=lambda file: hasher.hash_key(file[0]))
  return np.array([file[1:] for file in files]).T


@pytest.mark.parametrize('split', ['train', 'test'])
def test_drawers_follow_from_the_order_of_records(split):
  characters, drawers = records(split)
  found = omniglot_drawers.recover(split, characters, NAMES)
  assert found.dtype == np.int32
  np.testing.assert_array_equal(found, drawers)


def test_another_order_is_refused():
  characters, _ = records('train')
  for wrong in (characters[::-1], characters[:-1], np.sort(characters)):
    with pytest.raises(UserError, match='records are in their place') as error:
      omniglot_drawers.recover('train', wrong, NAMES)
    assert '\n' not in str(error.value)


@pytest.mark.slow
@prepared_data.needed
def test_every_character_of_lake_s_has_each_drawer_once(tmp_path):
  data = datasets.load('omniglot_lake', str(prepared_data.TFDS), str(tmp_path))
  splits = [data.train, data.validation, data.test]
  drawers, characters = (
    np.concatenate([split.labels[task] for split in splits])
    for task in ('drawer', 'character')
  )
  assert np.bincount(drawers).tolist() == [1_623] * 20
  assert len({*zip(characters, drawers, strict=True)}) == 32_460
  for split in splits:
    [alphabets] = split.given['drawer']
    assert alphabets.dtype == np.float32 and alphabets.shape[1] == 50
    np.testing.assert_array_equal(alphabets.sum(axis=1), 1)
    np.testing.assert_array_equal(
      alphabets.argmax(axis=1), split.labels['alphabet']
    )
  assert data.default_tasks == ('alphabet', 'character')
  entropy = datasets.label_entropy(data.test.labels['drawer'])
  assert entropy == pytest.approx(np.log(20), abs=2e-3)


# Classifiers that are given something.


@pytest.fixture(scope='module')
def sided():
  """Quadrants with a label that only what is given tells: a coin's side."""

  def make(count, seed):
    images, quadrants = small_data.draw(count, seed)
    sides = np.random.default_rng(100 + seed).integers(0, 2, count)
    sides = sides.astype(np.int32)
    return datasets.Split(
      images,
      {'quadrant': quadrants, 'side': sides, 'hidden': sides},
      {'side': [np.eye(2, dtype=np.float32)[sides]]},
    )

  return datasets.Dataset(
    name='static_mnist',  # A name that a config accepts.
    train=make(512, 0),
    validation=make(100, 1),
    test=make(200, 2),
    num_classes={'quadrant': 4, 'side': 2, 'hidden': 2},
    entropy_estimate=None,
  )


@pytest.fixture
def finished(sided, tmp_path, monkeypatch):
  """A finished run, which has not been trained."""
  monkeypatch.setattr(datasets, 'load', lambda *args: sided)
  run = Run(tmp_path / 'run')
  run.open(Config(latent_size=2))
  model = models.build(run.config, sided.train.images)
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(model=model), str(run.checkpoints), max_to_keep=1
  )
  checkpoints.save(manager, 3)
  run.finish({'step': 3, 'train_images': list(sided.train.images.shape)})
  return run


def test_what_is_given_reaches_the_classifier(finished):
  settings = {k.removeprefix('classifier_'): v for k, v in FAST.items()}
  options = Options(num_samples=2, classifier=settings)
  rows = {row['task']: row for row in evaluation.run(finished, options)}
  # The label is what is given, so C is 0. The code alone knows nothing of it.
  assert rows['side']['label_distortion'] < 0.05
  assert rows['hidden']['label_distortion'] > 0.6
  assert rows['side']['label_entropy'] == rows['hidden']['label_entropy']
  # The stored classifier, which takes both, gives the same.
  again = Options(task='side', num_samples=2)
  assert evaluation.run(finished, again) == [rows['side']]


def test_a_file_of_codes_leaves_out_a_task_that_is_given_more(finished, capsys):
  found = arrays.of_run(finished)
  assert {name for name in found if name.startswith('labels')} == {
    'labels_quadrant',
    'labels_hidden',
  }
  [note] = capsys.readouterr().err.splitlines()
  assert note.startswith('note: labels of side are left out')


@pytest.mark.parametrize(
  'baseline, options',
  [
    ('supervised_simple', FAST),
    ('supervised_simple', {**FAST, 'early_stopping': True}),
    (
      'supervised_complex',
      {'depth': 2, 'batch_size': 32, 'epochs': 20, 'learning_rate': 1e-2}
      | {'classifier_hidden': (8,), 'precision': 'float32', 'dropout': 0.0},
    ),
  ],
)
def test_baselines_are_given_the_same(sided, tmp_path, baseline, options):
  losses = {}
  for task in ('side', 'hidden'):
    config = BaselineConfig(
      dataset='static_mnist', task=task, baseline=baseline, **options
    )
    [row] = baselines.run(config, sided, Run(tmp_path / task))
    losses[task] = row['label_distortion']
  assert losses['side'] < 0.2 and losses['hidden'] > 0.6
