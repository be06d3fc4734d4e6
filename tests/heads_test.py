"""A trunk with a head for each task: its loss, known answers, whole runs."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from commands import call

from vae_info import datasets, evaluation
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.evaluation import Options, classifiers, estimates, heads
from vae_info.evaluation.classifiers import Examples, Settings
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints

SIZES = (3, 3, 2, 5)


def test_the_loss_is_the_sum_of_the_heads_losses():
  rng = np.random.default_rng(0)
  table = np.stack([rng.integers(0, size, 40) for size in SIZES], -1)
  table = table.astype(np.int32)
  losses = heads.sum_of_losses(SIZES, table)
  rows = rng.integers(0, 40, [2, 7]).astype(np.int32)
  logits = rng.normal(size=[2, 7, sum(SIZES)]).astype(np.float32)
  expected = np.zeros([2, 7])
  first = 0
  for task, size in enumerate(SIZES):
    part = logits[..., first : first + size].astype(np.float64)
    chosen = np.take_along_axis(part, table[rows][..., task, None], -1)[..., 0]
    expected += np.log(np.exp(part).sum(-1)) - chosen
    first += size
  found = losses(tf.constant(logits), tf.constant(rows))
  np.testing.assert_allclose(found, expected, rtol=1e-5)


MEANS = np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32)


def gaussians(count=4_000):
  """Codes around two means; tasks: the mean, its opposite, and noise."""
  rng = np.random.default_rng(0)
  labels = (np.arange(count) % 2).astype(np.int32)
  noise = rng.integers(0, 3, count).astype(np.int32)
  table = np.stack([labels, noise, 1 - labels], axis=-1)

  def draw(epoch):
    return MEANS[labels] + tf.random.stateless_normal([count, 2], [0, epoch])

  return draw, table


def test_each_head_reaches_the_bayes_label_distortion():
  draw, table = gaussians()
  settings = Settings((20,), learning_rate=1e-2, epochs=20)
  rows = np.arange(len(table), dtype=np.int32)
  losses = heads.sum_of_losses((2, 3, 2), table)
  shared = Examples(draw, rows, 2, 7, losses)
  own = Examples(draw, table[:, 0], 2, 2)
  # Two members, so that they form a stack, as the betas of a model do.
  [network, _] = classifiers.fit_together([shared, shared], settings)
  [classifier] = classifiers.fit_together([own], settings)
  rng = np.random.default_rng(1)
  labels = rng.integers(0, 2, 50_000)
  codes = MEANS[labels] + rng.normal(size=[50_000, 2]).astype(np.float32)
  # The posterior's log odds are (m1 - m0) . z = 2 z_0.
  bayes = np.log1p(np.exp(-2 * codes[:, 0] * (2 * labels - 1))).mean()
  known, noise, opposite = (
    heads.Head(network, first, size) for first, size in ((0, 2), (2, 3), (5, 2))
  )
  for head, wanted in ((known, labels), (opposite, 1 - labels)):
    found = -head(codes).log_prob(wanted).numpy().mean()
    assert 0 <= found - bayes < 0.01
    alone = -classifier(codes).log_prob(labels).numpy().mean()
    assert found == pytest.approx(alone, abs=0.01)
  chance = -noise(codes).log_prob(labels).numpy().mean()
  assert chance == pytest.approx(np.log(3), abs=0.02)


def test_each_task_gets_the_outputs_that_are_fitted_to_its_labels():
  sizes = {'b': 3, 'c': 2, 'a': 4}
  rng = np.random.default_rng(3)
  labels = {task: rng.integers(0, n, 30) for task, n in sizes.items()}
  labels = {task: values.astype(np.int32) for task, values in labels.items()}
  dataset = datasets.Dataset(
    name='static_mnist',
    train=datasets.Split(np.zeros([30, 1, 1, 1], np.uint8), labels),
    validation=None,
    test=None,
    num_classes=dict(sorted(sizes.items())),
    entropy_estimate=None,
    shared=('b', 'c', 'a'),
  )
  network = classifiers.Mlp(2, 9, (), rng)
  each = heads.split(dataset, network)
  assert [*each] == ['b', 'c', 'a']
  assert [head.num_classes for head in each.values()] == [3, 2, 4]
  firsts = {'b': slice(0, 3), 'c': slice(3, 5), 'a': slice(5, 9)}
  codes = rng.standard_normal([30, 2]).astype(np.float32)
  logits = network.logits(codes).numpy()
  for task, head in each.items():
    np.testing.assert_array_equal(head(codes).logits, logits[:, firsts[task]])
  # The loss of the fit is the sum of theirs.
  target = heads.target(dataset, heads.SHARED)
  total = sum(-head(codes).log_prob(labels[t]) for t, head in each.items())
  found = target.losses(tf.constant(logits), tf.constant(target.labels))
  np.testing.assert_allclose(found, total, rtol=1e-5)


# A data set of CelebA's structure, and whole runs of it.

ATTRIBUTES = ('Bright', 'Dark_Left', 'Dark_Top', 'Young')


class TinyCelebA(tfds.core.GeneratorBasedBuilder):
  """64x64 colour images, with yes-or-no attributes inside a dictionary.

  Images show all of them but `Young`. Coordinates are no labels.
  """

  VERSION = tfds.core.Version('1.0.0')
  absent: dict[str, bool] = {}  # Attributes that no image has.

  def _info(self):
    features = {
      'image': tfds.features.Image(shape=(64, 64, 3)),
      'landmarks': {'nose_x': np.int64},
      'attributes': dict.fromkeys([*ATTRIBUTES, *self.absent], np.bool_),
    }
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict(features)
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {
      split: self._generate_examples(number, count)
      for number, (split, count) in enumerate(
        {'train': 300, 'validation': 30, 'test': 53}.items()
      )
    }

  def _generate_examples(self, number, count):
    rng = np.random.default_rng(number)
    for index in range(count):
      values = rng.integers(0, 2, len(ATTRIBUTES)).astype(bool)
      bright, left, top, _ = values
      image = np.full([64, 64, 3], 220 if bright else 90, np.uint8)
      image[:, :20] = image[:, :20] // (6 if left else 1)
      image[:20] = image[:20] // (6 if top else 1)
      yield (
        index,
        {
          'image': image,
          'landmarks': {'nose_x': 30 + index % 5},
          'attributes': {
            **dict(zip(ATTRIBUTES, values, strict=True)),
            **self.absent,
          },
        },
      )


class TinyBald(TinyCelebA):
  """The same, where nobody is bald."""

  absent = {'Bald': False}


@pytest.fixture(scope='module')
def faces(tmp_path_factory):
  folder = tmp_path_factory.mktemp('faces')
  TinyCelebA(data_dir=folder).download_and_prepare()
  return datasets.load('tfds:tiny_celeb_a', str(folder), str(folder / 'cache'))


@pytest.fixture
def run(faces, tmp_path, monkeypatch):
  """A finished run of the faces, not trained."""
  monkeypatch.setattr(datasets, 'load', lambda *args: faces)
  run = Run(tmp_path / 'run')
  run.open(Config(dataset='tfds:tiny_celeb_a', latent_size=8, beta='0.1:10'))
  model = models.build(run.config, faces.train.images)
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(model=model), str(run.checkpoints), max_to_keep=1
  )
  checkpoints.save(manager, 3)
  run.finish({'step': 3, 'train_images': list(faces.train.images.shape)})
  return run


SHARED = 'mlp 16 (learning_rate 0.01, epochs 3) shared'
OPTIONS = Options(
  betas=(0.1, 1.0),
  num_samples=1,
  classifier={'epochs': 3, 'learning_rate': 1e-2, 'hidden': (16,)},
)


def test_attributes_of_a_dictionary_are_tasks_that_share_a_trunk(faces):
  assert faces.image_shape == (64, 64, 1)
  assert faces.num_classes == dict.fromkeys(ATTRIBUTES, 2)
  assert [*faces.shared] == [*ATTRIBUTES]
  assert heads.networks(faces, ATTRIBUTES) == ['shared']
  # One of them alone has its own classifier.
  assert heads.networks(faces, ['Young']) == ['Young']


def test_a_constant_attribute_keeps_no_others_from_sharing(tmp_path):
  TinyBald(data_dir=tmp_path).download_and_prepare()
  data = datasets.load('tfds:tiny_bald', str(tmp_path), str(tmp_path / 'cache'))
  assert 'Bald' in data.num_classes
  assert heads.networks(data, datasets.varied_tasks(data)) == ['shared']
  assert heads.tasks_of(data, 'shared') == [*ATTRIBUTES]


def test_every_attribute_has_its_row(run, faces, monkeypatch):
  fitted = []
  fit = classifiers.fit_together

  def counted(examples, settings, title):
    fitted.append(title)
    return fit(examples, settings, title)

  monkeypatch.setattr(classifiers, 'fit_together', counted)
  rows = evaluation.run(run, OPTIONS)
  assert fitted == ['classifier of shared']
  assert [(row['beta'], row['task']) for row in rows] == [
    (beta, task) for beta in (0.1, 1.0) for task in ATTRIBUTES
  ]
  assert {row['classifier'] for row in rows} == {SHARED}
  for row in rows:
    entropy = datasets.label_entropy(faces.test.labels[row['task']])
    assert row['label_entropy'] == entropy
    assert row['rate'] > 0
  # Stored heads give the same rows again, without a fit.
  assert evaluation.run(run, OPTIONS) == rows
  assert len(fitted) == 1
  kept = {path.parent for path in run.path.rglob('classifier.json')}
  assert {path.parent.name for path in kept} == {'shared'}
  # One alone replaces its rows, with a classifier of its own.
  alone = dataclasses.replace(OPTIONS, task='Bright')
  own = evaluation.run(run, alone)
  assert {row['classifier'] for row in own} == {SHARED.removesuffix(' shared')}
  assert [row['classifier'] for row in run.rows].count(SHARED) == 6
  assert json.loads((run.path / 'evaluation.json').read_text())['rows']


def test_critics_need_a_task_with_a_classifier_of_its_own(run):
  with_critics = dataclasses.replace(OPTIONS, bounds=True, critics=True)
  with pytest.raises(UserError, match='critics need a task with a classifier'):
    evaluation.run(run, with_critics)


def test_all_tasks_may_share_a_trunk(faces):
  labels = {**faces.train.labels, 'person': faces.train.labels['Young']}
  train = dataclasses.replace(faces.train, labels=labels)
  labels = {**faces.test.labels, 'person': faces.test.labels['Young']}
  test = dataclasses.replace(faces.test, labels=labels)
  classes = {**faces.num_classes, 'person': 2}
  more = dataclasses.replace(faces, train=train, test=test, num_classes=classes)
  tasks = [*ATTRIBUTES, 'person']
  assert heads.networks(more, tasks) == ['person', 'shared']
  together = heads.one_trunk(more)
  assert heads.networks(together, tasks) == ['shared']
  assert heads.tasks_of(together, 'shared') == tasks
  assert heads.target(together, 'shared').num_classes == 10
  # A task whose classifier is given more keeps its own.
  given = {'Dark_Top': [np.ones([len(faces.train.images), 2], np.float32)]}
  train = dataclasses.replace(train, given=given)
  apart = heads.one_trunk(dataclasses.replace(more, train=train))
  assert heads.networks(apart, tasks) == ['Dark_Top', 'shared']
  # A task with one class has no classifier.
  labels = {**more.test.labels, 'person': np.zeros_like(labels['person'])}
  test = dataclasses.replace(test, labels=labels)
  constant = heads.one_trunk(dataclasses.replace(more, test=test))
  assert constant.shared == ATTRIBUTES


def test_a_beta_that_is_named_twice_is_one_point(run):
  points = evaluation.curve.load(run, (1.0, 0.1, 1.0))
  assert [point.beta for point in points] == [1.0, 0.1]


def test_heads_in_one_pass_give_what_each_gives_alone(run, faces):
  [point] = evaluation.curve.load(run, (1.0,))
  network = classifiers.Mlp(8, 8, (5,), np.random.default_rng(0))
  each = heads.split(faces, network)
  codes = estimates.Codes.of(point.model, faces.test.images, 2, 20)
  together = heads.label_distortions_and_hits(codes, each, faces.test.labels)
  assert [*together] == [*ATTRIBUTES]
  for task, head in each.items():
    alone = estimates.label_distortions_and_hits(
      codes, head, faces.test.labels[task]
    )
    np.testing.assert_allclose(together[task], alone, rtol=1e-5)


def test_folders_of_shared_classifiers(run):
  [folder] = evaluation.fit_classifiers(run, OPTIONS)
  assert folder == run.path / 'classifiers' / 'shared'


@pytest.mark.slow
def test_a_shared_trunk_costs_digits_little(tmp_path):
  runs, fit = f'--runs_dir={tmp_path}', FIT
  call('train', runs, '--steps=300', '--latent_size=16')
  [path] = tmp_path.iterdir()
  losses = []
  for words in ([], ['--task=all', '--one_trunk']):
    call('evaluate', f'--run={path}', '--nobounds', *fit, *words)
    [row] = [row for row in Run(path).rows if row['task'] == 'digit']
    assert row['classifier'].endswith('shared') == bool(words)
    losses.append(row['label_distortion'])
  # They differed by 0.028: a short fit of seven tasks is further from its end.
  assert losses[1] == pytest.approx(losses[0], abs=0.05)
  assert losses[0] < 0.5


FIT = (
  '--num_samples=1',
  '--classifier_epochs=20',
  '--classifier_learning_rate=1e-3',
  '--classifier_batch_size=100',
)
