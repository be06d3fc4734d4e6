"""Pictures of models: choosing runs, drawing them, and refusals."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from commands import call

from plots import picture_figures, pictures, style
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import model as models
from vae_info.runs.directory import Run


def make_run(folder, images, rates=(3.0,), evaluated=True, **settings):
  """Makes a finished run of an untrained model, with invented rates."""
  config = Config(latent_size=3, **settings)
  run = Run(folder / config.run_name)
  run.open(config)
  run.finish({'step': 1, 'train_images': images.shape})
  model = models.build(config, images)
  tf.train.Checkpoint(model=model).save(str(run.checkpoints / 'ckpt'))
  if evaluated:
    run.write_rows(
      [
        {'task': task, 'rate': rate, 'beta': 1 / rate, 'step': 1}
        for rate in rates
        for task in ('one', 'two')
      ]
    )
  return run


@pytest.fixture(scope='module')
def runs_dir(tmp_path_factory, tiny):
  folder = tmp_path_factory.mktemp('runs')
  make_run(folder, tiny.train.images, (9.0, 1.0))
  make_run(folder, tiny.train.images, decoder='autoregressive')
  return folder


def make_pictures(rate, decoder='deconvolutional', seed=0):
  rng = np.random.default_rng(seed)
  images = rng.random([10, 28, 28, 1])
  return picture_figures.Pictures(
    decoder=decoder,
    marginal='gaussian',
    rate=rate,
    components=rng.normal(size=[50, 2]),
    labels=np.arange(50) % 10,
    images=images,
    reconstructions=images**2,
    samples=images**3,
  )


def test_points_are_one_for_each_beta(runs_dir):
  points = pictures.rated(runs_dir, None)
  assert [(point.config.decoder, point.rate) for point in points] == [
    ('autoregressive', 3.0),
    ('deconvolutional', 9.0),
    ('deconvolutional', 1.0),
  ]


def test_runs_that_cannot_be_drawn_are_reported(
  runs_dir, tmp_path, tiny, capsys
):
  with pytest.raises(UserError, match='no finished run'):
    pictures.rated(tmp_path, None)
  with pytest.raises(UserError, match='no evaluated run of omniglot'):
    pictures.rated(runs_dir, 'omniglot')
  shutil.copytree(runs_dir, tmp_path, dirs_exist_ok=True)
  made = make_run(tmp_path, tiny.train.images, evaluated=False, seed=1)
  assert len(pictures.rated(tmp_path, None)) == 3
  assert capsys.readouterr().out == f'left out: {made} has no evaluation\n'
  make_run(tmp_path, tiny.train.images, dataset='omniglot')
  with pytest.raises(UserError, match="'omniglot' and 'static_mnist'; choose"):
    pictures.rated(tmp_path, None)
  assert len(pictures.rated(tmp_path, 'omniglot')) == 1


def test_kinds_of_images_of_one_set_are_told_apart(tmp_path, tiny):
  for binarization in ('none', 'dynamic'):
    make_run(
      tmp_path,
      tiny.train.images,
      dataset='tfds:mine',
      binarization=binarization,
    )
  names = ('tfds:mine', 'tfds:mine, 8 bits')
  with pytest.raises(UserError, match=' and '.join(map(repr, names))):
    pictures.rated(tmp_path, None)
  for name, binarization in zip(names, ('dynamic', 'none'), strict=True):
    [point] = pictures.rated(tmp_path, name)
    assert point.config.binarization == binarization


def test_marginals_that_are_not_drawn_are_named(runs_dir, tmp_path, tiny):
  assert pictures.notes(pictures.rated(runs_dir, None)) == []
  shutil.copytree(runs_dir, tmp_path, dirs_exist_ok=True)
  make_run(tmp_path, tiny.train.images, marginal='vampprior')
  points = pictures.rated(tmp_path, None)
  assert pictures.notes(points) == ['left out: marginal vampprior']


def test_a_column_is_of_one_training():
  def point(name, rate, **settings):
    run = Run(pathlib.Path(name))
    return pictures.Rated(run, Config(**settings), 1.0, rate)

  points = [
    point('a', 9.0, beta='0.3:2', decoder='autoregressive', epochs=6),
    point('b', 9.5, beta='0.3:2', decoder='autoregressive', epochs=25),
    point('b', 4.5, beta='0.3:2', decoder='autoregressive', epochs=25),
    point(
      'c',
      9.0,
      beta='0.3:2',
      decoder='autoregressive',
      epochs=50,
      kl_annealing_epochs=3,
    ),
    point('d', 8.0, beta=0.5, decoder='autoregressive', epochs=25),
    point('e', 7.0, beta=0.5),
    point('f', 3.0, beta=2.0),
  ]
  found = pictures.of_one_marginal(points)
  names = {
    decoder: [point.run.name for point in group]
    for decoder, group in found.items()
  }
  assert names == {'deconvolutional': ['e', 'f'], 'autoregressive': ['b', 'b']}
  assert pictures.notes(points)[0].startswith('left out: 3 runs of other')


def test_rates_are_spread_and_fall():
  rates = [1, 2, 3, 4, 40, 20]
  chosen = pictures.spread([make_pictures(rate) for rate in rates], 3)
  assert [one.rate for one in chosen] == [40, 4, 1]
  assert len(pictures.spread(chosen, 6)) == 3


def test_examples_are_one_of_each_class():
  labels = np.array([2, 2, 0, 1, 0])
  assert pictures.examples(labels, 10).tolist() == [2, 3, 0]
  assert pictures.examples(labels, 2).tolist() == [2, 3]


def test_principal_components_ignore_noise():
  rng = np.random.default_rng(0)
  signal = np.linspace(-1, 1, 200)
  codes = rng.normal(size=[64, 200, 5])  # Noise with more variance than signal.
  codes[..., 3] = 1.5 * signal
  plane = pictures.principal_components(codes)
  assert plane.shape == (200, 2)
  assert abs(np.corrcoef(plane[:, 0], signal)[0, 1]) > 0.9
  assert pictures.principal_components(codes[..., :1]).shape == (200, 2)


@pytest.mark.parametrize('number', [0, 1])
def test_a_models_pictures(runs_dir, tiny, number):
  point = pictures.rated(runs_dir, None)[number]
  drawn = pictures.draw(point, tiny, 'quadrant')
  assert drawn.components.shape == (53, 2)
  assert drawn.images.shape == drawn.samples.shape == (4, 8, 8, 1)
  for images in (drawn.reconstructions, drawn.samples):
    assert np.all((images >= 0) & (images <= 1))
    # Pixels that depend on each other are sampled; others are probabilities.
    binary = np.all((images == 0) | (images == 1))
    assert binary == (drawn.decoder == 'autoregressive')
  again = pictures.draw(point, tiny, 'quadrant')
  np.testing.assert_array_equal(drawn.samples, again.samples)
  np.testing.assert_array_equal(drawn.components, again.components)


def test_codes_have_a_row_for_each_decoder(tmp_path):
  first = [make_pictures(rate) for rate in (9, 3, 1)]
  second = [make_pictures(5, 'autoregressive', 1)]
  figure = picture_figures.codes([first, second])
  titles = [axes.get_title() for axes in figure.axes]
  minus = '\N{MINUS SIGN}'
  assert titles == [
    f'({minus}, {minus})  R = 9.0',
    f'({minus}, {minus})  R = 3.0',
    f'({minus}, {minus})  R = 1.0',
    f'(+, {minus})  R = 5.0',
    '',
    '',
  ]
  dots = figure.axes[3].collections[0]
  np.testing.assert_array_equal(dots.get_offsets(), second[0].components)
  colours = np.unique(dots.get_facecolors(), axis=0)
  assert len(colours) == 10
  assert sorted(x.get_text() for x in figure.axes[3].texts) == list(
    '0123456789'
  )
  files = [
    [path.read_bytes() for path in style.save(made, tmp_path, 'codes')]
    for made in (figure, picture_figures.codes([first, second]))
  ]
  assert files[0] == files[1]


def test_reconstructions_have_a_row_for_each_rate(tmp_path):
  column = [make_pictures(rate) for rate in (9, 3)]
  figure = picture_figures.reconstructions(column)
  left = figure.axes[2]
  assert left.get_ylabel().endswith('R = 9.0')
  shown = 1 - left.images[0].get_array().reshape(28, 10, 29)
  np.testing.assert_allclose(
    shown[:, 4, :28], column[0].reconstructions[4, :, :, 0], atol=1e-12
  )
  style.save(figure, tmp_path, 'x')


def test_command_draws_each_decoder(runs_dir, tiny, tmp_path):
  flags = (f'--runs_dir={runs_dir}', f'--output_dir={tmp_path}', '--rates=1')
  output = call('plots.pictures', *flags, dataset=tiny)
  written = {path.name for path in tmp_path.iterdir()}
  assert {
    'codes.png',
    'reconstructions_autoregressive.png',
    'reconstructions_deconvolutional.png',
  } <= written
  for name in written:
    assert f'wrote {tmp_path / name}' in output


def test_names_are_moved_apart_and_no_further():
  places = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.0], [5.0, 5.0]])
  moved = picture_figures.apart(places, 1.0)
  gaps = np.linalg.norm(moved[:, None] - moved, axis=-1)
  assert gaps[np.triu_indices(4, 1)].min() > 0.98
  np.testing.assert_array_equal(moved[3], places[3])
  assert np.abs(moved - places).max() < 1.5
  far = np.array([[0.0, 0.0], [2.0, 0.0]])
  np.testing.assert_array_equal(picture_figures.apart(far, 1.0), far)


def test_pictures_are_of_the_usual_training_and_of_one_seed():
  configs = [
    Config(encoder='iaf'),
    Config(),
    Config(seed=1),
    Config(architecture='paper'),
    Config(augmentation='affine'),
  ]
  points = [
    pictures.Rated(Run(pathlib.Path(str(n))), config, 1.0, 5.0)
    for n, config in enumerate(configs)
  ]
  assert pictures.usual(points) == points[1:2]
  [note] = pictures.notes(points)
  assert note.startswith('left out: 4 runs of other encoders')
  assert pictures.usual(points[:1]) == points[:1]
