"""Attributes of digits: what is measured, how it is ranked, whose it is."""

import dataclasses

import numpy as np
import prepared_data
import pytest

from vae_info import datasets
from vae_info.datasets import (
  binarized_mnist,
  digit_attributes,
  measure_digits,
  static_mnist,
)
from vae_info.errors import UserError
from vae_info.evaluation import Options
from vae_info.runs import Run

NAMES = ('area', 'length', 'thickness', 'slant', 'width', 'height')


def draw_bar(width, length, slant, size=28, finer=16):
  """A straight stroke with round ends, which leans to the right by `slant`.

  Its centre line has this length, in pixels, and goes through the middle of the
  image. Intensities are the shares of pixels that it covers.
  """
  places = (np.arange(size * finer) + 0.5) / finer - size / 2
  down, right = np.meshgrid(places, places, indexing='ij')
  along = right * np.sin(slant) - down * np.cos(slant)
  across = right * np.cos(slant) + down * np.sin(slant)
  beyond = np.maximum(np.abs(along) - length / 2, 0.0)
  covered = np.hypot(beyond, across) <= width / 2
  return 255 * covered.reshape(size, finer, size, finer).mean(axis=(1, 3))


@pytest.mark.parametrize(
  'width, length, slant',
  [(2, 18, 0.0), (3, 16, 0.3), (4, 20, -0.4), (3, 16, 0.6), (5, 18, 0.1)],
)
def test_a_drawn_line_has_its_width_length_and_slant(width, length, slant):
  pytest.importorskip('skimage', reason='needs the extra `attributes`')
  found = measure_digits.measure(draw_bar(width, length, slant))
  assert found['thickness'] == pytest.approx(width, rel=0.06)
  # Steps of 1 and sqrt(2) are longer than a slanted line. A skeleton ends up to
  # a pixel before the stroke's centre line does, or beyond it.
  steps = np.cos(slant) + (np.sqrt(2) - 1) * abs(np.sin(slant))
  assert found['length'] == pytest.approx(length * steps, abs=1.5)
  # The stroke's own width pulls the axis of its moments towards the vertical.
  assert found['slant'] == pytest.approx(slant, abs=0.03)
  whole = length * width + np.pi * (width / 2) ** 2
  assert found['area'] == pytest.approx(whole, rel=0.03)
  height = length * np.cos(slant) + width
  assert found['height'] == pytest.approx(height, rel=0.08)
  # Horizontally a stroke is wider than across. Pixels and the enlargement blur
  # its edges by half a pixel each.
  blurred = width / np.cos(slant) + 1.0
  assert found['width'] == pytest.approx(blurred, abs=0.4)


def test_lines_are_ordered_by_what_is_measured():
  pytest.importorskip('skimage', reason='needs the extra `attributes`')
  for name, drawn in (
    ('thickness', [(w, 16, 0.2) for w in (2, 2.4, 3, 3.5, 4)]),
    ('length', [(3, length, 0.2) for length in (9, 12, 15, 18, 21)]),
    ('slant', [(3, 16, s) for s in (-0.5, -0.1, 0.0, 0.02, 0.4)]),
    ('height', [(3, length, 0.2) for length in (14, 14.1, 14.2, 17)]),
    ('width', [(w, 16, 0.2) for w in (2, 2.1, 2.4, 4)]),
  ):
    values = [measure_digits.measure(draw_bar(*each))[name] for each in drawn]
    assert np.all(np.diff(values) > 0), (name, values)


def test_a_mirrored_image_leans_the_other_way():
  pytest.importorskip('skimage', reason='needs the extra `attributes`')
  bar = draw_bar(3, 16, 0.3)
  right, left = (
    measure_digits.measure(bar),
    measure_digits.measure(bar[:, ::-1]),
  )
  assert left['slant'] == pytest.approx(-right['slant'], abs=1e-6)
  for name in ('area', 'width', 'height'):
    assert left[name] == pytest.approx(right[name], rel=1e-6)


def test_levels_are_equal_even_with_ties():
  rng = np.random.default_rng(0)
  train = rng.integers(0, 7, 5_000).astype(float)
  rest = np.array([-1.0, 0.0, 3.0, 6.0, 99.0])
  levels = digit_attributes.levels(np.concatenate([train, rest]), 5_000)
  assert np.all(np.bincount(levels[:5_000], minlength=250) == 20)
  # A larger value never has a lower level.
  order = np.lexsort([levels[:5_000], train])
  assert np.all(np.diff(levels[order].astype(int)) >= 0)
  below = np.mean(train < 3.0)
  assert levels[5_000:].tolist() == [0, 0, int(250 * below), *levels[-2:]]
  assert levels[-2] == int(250 * np.mean(train < 6.0)) and levels[-1] == 249


def test_classes_are_tenths_of_the_training_images():
  data = datasets.load('static_mnist')
  assert data.num_classes == {'digit': 10, **dict.fromkeys(NAMES, 10)}
  assert data.default_tasks == ('digit',)
  for name in NAMES:
    train, test = data.train.labels[name], data.test.labels[name]
    assert train.dtype == np.int32
    for labels, least, most in ((train, 0.09, 0.11), (test, 0.07, 0.14)):
      shares = np.bincount(labels, minlength=10) / len(labels)
      assert least < shares.min() and shares.max() < most, name
    assert datasets.label_entropy(test) == pytest.approx(np.log(10), abs=0.02)


def rank_correlation(a, b):
  ranks = [np.argsort(np.argsort(x, kind='stable')) for x in (a, b)]
  return np.corrcoef(*ranks)[0, 1]


def lean(images):
  """-u11 / u02 of binary images `[N, 28, 28, 1]`."""
  mass = images[..., 0] / images.sum(axis=(1, 2, 3), keepdims=True)[..., 0]
  down, right = np.indices([28, 28])
  down = down - (mass * down).sum(axis=(1, 2), keepdims=True)
  right = right - (mass * right).sum(axis=(1, 2), keepdims=True)
  return -(mass * down * right).sum((1, 2)) / (mass * down**2).sum((1, 2))


def check_they_are_of_the_images(split):
  """What binary images show of area and slant agrees with their classes."""
  labels, images = split.labels, split.images
  area = images.sum(axis=(1, 2, 3), dtype=np.int64)
  assert rank_correlation(labels['area'], area) > 0.9
  assert rank_correlation(labels['slant'], lean(images)) > 0.9
  # Rows from its first to its last pixel. Most digits have 20.
  rows = images.any(axis=(2, 3))
  height = 28 - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)
  assert labels['height'][height < 19].mean() < 1.5
  assert labels['height'][height >= 19].mean() > 4.4


@pytest.mark.parametrize('name', ['train', 'validation', 'test'])
def test_attributes_belong_to_their_images(name):
  check_they_are_of_the_images(getattr(datasets.load('static_mnist'), name))


def test_binarized_mnist_takes_them_by_the_recovered_index(monkeypatch):
  static = static_mnist.read()
  rng = np.random.default_rng(0)
  order = rng.permutation(60_000)
  originals = {
    'train': order[:50_000],
    'validation': order[50_000:],
    'test': rng.permutation(10_000),
  }
  images = {split: pair[0] for split, pair in static.items()}
  together = np.concatenate([images['train'], images['validation']])
  shuffled = {
    'train': together[originals['train']],
    'validation': together[originals['validation']],
    'test': images['test'][originals['test']],
  }
  arrays = {}
  for split, rows in originals.items():
    arrays[f'{split}/bits'] = np.packbits(shuffled[split])
    arrays[f'{split}/digit'] = np.zeros(len(rows), np.uint8)
    arrays[f'{split}/original'] = rows.astype(np.int32)
  monkeypatch.setattr(binarized_mnist, 'recovered', lambda *_: arrays)
  data = datasets.load('binarized_mnist')
  for split in ('train', 'validation', 'test'):
    check_they_are_of_the_images(getattr(data, split))


@pytest.mark.slow
@prepared_data.needed
def test_attributes_of_larochelle_and_murray_s_images(tmp_path):
  data = datasets.load(
    'binarized_mnist', str(prepared_data.TFDS), str(tmp_path)
  )
  for split in (data.train, data.validation, data.test):
    check_they_are_of_the_images(split)
  for name in NAMES:
    shares = np.bincount(data.train.labels[name]) / 50_000
    assert shares.min() > 0.09 and shares.max() < 0.11


@pytest.mark.slow
@prepared_data.needed
def test_the_bundled_file_has_the_order_of_what_the_command_measures():
  pytest.importorskip('skimage', reason='needs the extra `attributes`')
  from vae_info.datasets import tfds_source

  mnist = binarized_mnist.read_mnist(
    tfds_source.find('mnist', str(prepared_data.TFDS))
  )
  values = measure_digits.measure_all(mnist['test'][0][:1_000])
  with np.load(digit_attributes.PATH) as file:
    for name in NAMES:
      order = np.argsort(values[name])
      assert np.all(np.diff(file[name][60_000:61_000][order].astype(int)) >= 0)


def test_the_bundled_file_is_small_and_checked(tmp_path):
  assert digit_attributes.PATH.stat().st_size < 500_000
  path = tmp_path / 'x.npz'
  values = {name: np.arange(500.0) for name in NAMES}
  digit_attributes.write(values, 250, path)
  with pytest.raises(UserError, match='expected area, .* of 70000 images'):
    digit_attributes.read(path)


# Which tasks are chosen, and what is refused.


def test_tasks_by_name_by_default_and_all(digits, tiny):
  assert datasets.chosen_tasks(None, digits) == ['digit']
  assert datasets.chosen_tasks('slant', digits) == ['slant']
  assert datasets.chosen_tasks('all', digits) == ['digit', *NAMES]
  assert datasets.chosen_tasks('all', tiny) == ['quadrant']


def one_class(tiny):
  """The tiny data, with training labels of one class."""
  labels = {'quadrant': np.full(64, 3, np.int32)}
  train = datasets.Split(tiny.train.images, labels)
  return dataclasses.replace(tiny, train=train)


def test_a_task_that_cannot_be_gets_one_line(digits, tiny):
  omniglot = dataclasses.replace(tiny, name='omniglot')
  for task, data, message in (
    ('slope', digits, "unknown task 'slope' of static_mnist; expected one of"),
    (
      'slant',
      omniglot,
      "omniglot has no task 'slant', which is of static_mni",
    ),
    ('quadrant', one_class(tiny), 'has one class: all 64 labels of train are'),
    (None, one_class(tiny), 'name another task with --task'),
  ):
    with pytest.raises(UserError, match=message) as error:
      datasets.chosen_tasks(task, data)
    assert '\n' not in str(error.value)


def test_all_is_satisfied_by_a_row_for_each_task_alone(tmp_path):
  run = Run(tmp_path)

  def write(*tasks):
    run.write_rows(
      [{'task': task, 'beta': 1.0} for task in tasks], tasks=['digit', *NAMES]
    )

  everything = Options(task='all')
  write('digit', 'slant')
  assert Options().satisfied_by(run) and not everything.satisfied_by(run)
  assert Options(task='slant').satisfied_by(run)
  write('digit', *NAMES)
  assert everything.satisfied_by(run)


def test_all_is_evaluated_anew_if_no_tasks_were_kept(tmp_path):
  run = Run(tmp_path)
  run.write_rows([{'task': 'a', 'beta': 1.0}])
  assert Options(task='a').satisfied_by(run)
  assert not Options(task='all').satisfied_by(run)


def test_of_several_tasks_those_of_one_class_are_left_out(tiny, capsys):
  one = np.zeros(64, np.int32)
  two = {
    split: dataclasses.replace(
      getattr(tiny, split), labels=getattr(tiny, split).labels | {'one': one}
    )
    for split in ('train', 'test')
  }
  more = dataclasses.replace(
    tiny, **two, num_classes=tiny.num_classes | {'one': 2}, default_tasks=()
  )
  assert datasets.varied_tasks(more) == ['quadrant']
  for task in (None, 'all'):
    assert datasets.chosen_tasks(task, more) == ['quadrant']
    assert 'note: one of' in capsys.readouterr().err
  with pytest.raises(UserError, match='has one class'):
    datasets.chosen_tasks('one', more)
