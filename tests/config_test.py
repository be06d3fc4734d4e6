"""Configs: checked when made, with stable names, and read back as written."""

import dataclasses

import pytest

from vae_info import config as configs
from vae_info.baselines.config import BaselineConfig
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import decoders, model
from vae_info.runs import Run


@pytest.mark.parametrize(
  'names, known',
  [
    (configs.ENCODERS, model.ENCODERS),
    (configs.DECODERS, decoders.DECODERS),
    (configs.MARGINALS, model.MARGINALS),
  ],
)
def test_names_are_those_of_the_classes(names, known):
  assert list(names) == list(known)


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'decoder': 'foo'}, "'foo'; expected one of deconvolutional, decon"),
    ({'dataset': 'cifar'}, "unknown dataset 'cifar'; expected one of static"),
    ({'dataset': 'tfds:'}, 'sprites, tfds:NAME'),
    ({'binarization': 'x'}, 'expected one of static, dynamic, threshold'),
    ({'binarization': 'dynamic'}, 'static_mnist has only binary images'),
    (
      {'dataset': 'binarized_mnist', 'binarization': 'threshold'},
      'binarized_mnist has only binary images',
    ),
    ({'beta': -0.1}, 'beta must be at least 0, got -0.1'),
    ({'beta': float('nan')}, 'beta must be at least 0, got nan'),
    ({'beta': float('inf')}, 'beta must be finite, got inf'),
    ({'epochs': 0}, 'epochs must be above 0, got 0'),
    ({'seed': 2**31}, 'seed must be below 2147483648, got 2147483648'),
    ({'steps': 0}, 'steps must be above 0, got 0'),
    ({'epochs': 1, 'steps': 1}, 'epochs or steps, not both'),
    ({'learning_rate': 0}, 'learning_rate must be above 0'),
    ({'batch_size': 0}, 'batch_size must be at least 1, got 0'),
    ({'latent_size': 0}, 'latent_size must be at least 1, got 0'),
    ({'free_nats': -1}, 'free_nats must be at least 0'),
    (
      {'encoder': 'categorical', 'marginal': 'gaussian'},
      'need each other, got encoder categorical and marginal gaussian; leave',
    ),
    ({'marginal': 'categorical'}, 'need each other, got encoder conv'),
  ],
)
def test_what_cannot_be_is_refused(changes, message):
  with pytest.raises(UserError, match=message):
    Config(**changes)


def test_the_encoder_implies_the_default_of_the_marginal():
  assert Config().marginal == 'gaussian'
  config = Config(encoder='categorical')
  assert config.marginal == 'categorical'
  assert configs.from_json(Config, configs.to_json(config)) == config
  for own in ({'encoder': 'a:B'}, {'marginal': 'a:B'}):
    assert Config(**({'encoder': 'categorical'} | own))
  assert len(configs.families()) == len(configs.DECODERS) * (2 * 4 + 1)


def test_every_attribute_is_in_the_name():
  other = {
    'dataset': 'tfds:emnist/letters',
    'binarization': 'dynamic',
    'encoder': 'iaf',
    'decoder': 'autoregressive',
    'marginal': 'a.b:C',
    'architecture': 'paper',
    'precision': 'bfloat16',
    'augmentation': 'affine',
    'lr_schedule': 'paper',
    'beta': 0.1,
    'steps': 7,
  }
  names = {Config(dataset='omniglot').run_name}
  for field in dataclasses.fields(Config):
    value = {field.name: other.get(field.name, 3)}
    names.add(Config(**{'dataset': 'omniglot', **value}).run_name)
  assert len(names) == 1 + len(dataclasses.fields(Config))


def test_other_annealing_gives_another_name():
  # Five epochs are the default of ten, and of no other number.
  names = {Config(decoder='autoregressive', epochs=20).run_name}
  for length in ({'epochs': 20}, {'steps': 3000}):
    for annealed in (0, 5, 7):
      config = Config(
        decoder='autoregressive', kl_annealing_epochs=annealed, **length
      )
      names.add(config.run_name)
  assert len(names) == 1 + 3 + 3


def test_names_do_not_change():
  name = 'static_mnist_conv_deconvolutional_gaussian_compact_beta1_seed0'
  assert Config().run_name == name
  assert Config(beta=0.25, epochs=3).run_name == (
    'static_mnist_conv_deconvolutional_gaussian_compact_beta0.25_seed0_epochs=3'
  )


def test_long_names_differ_and_are_alike_for_all_seeds():
  long = Config(encoder='a' * 300 + ':B').run_name
  assert len(long) < 200
  assert long != Config(encoder='a' * 300 + ':C').run_name
  codes = Config(marginal='b' * 100 + ':M', seed=7).run_name
  names = [
    BaselineConfig(
      'static_mnist', 'digit', 'clusters', codes_of=codes_of, seed=seed
    ).run_name
    for codes_of in (codes, codes.replace('seed7', 'seed8'))
    for seed in (0, 11)
  ]
  assert len(set(names)) == 4
  assert max(map(len, names)) < 255
  assert len({configs.SEED.sub('', name) for name in names}) == 1


def test_parts_for_binary_images_refuse_others():
  grey = {'dataset': 'tfds:x', 'binarization': 'none'}
  for flags in (
    {'augmentation': 'affine'},
    {'encoder': 'categorical'},
    {'decoder': 'deconvolutional_invariant'},
    {'decoder': 'local_autoregressive'},
  ):
    with pytest.raises(UserError, match='is for binary images alone'):
      Config(**grey, **flags)
  for baseline in ('kmeans', 'kmeans_deskewed', 'clusters', 'flow'):
    with pytest.raises(UserError, match='is for binary images alone'):
      BaselineConfig(**grey, task='label', baseline=baseline)
  assert BaselineConfig(**grey, task='label', baseline='pca').levels == 256


def test_half_of_an_autoregressive_training_is_annealed():
  config = Config(decoder='autoregressive', epochs=6)
  assert config.kl_annealing_epochs == 3
  assert config == Config(
    decoder='autoregressive', epochs=6, kl_annealing_epochs=3
  )
  assert config.run_name.endswith('seed0_epochs=6')
  constant = dataclasses.replace(config, kl_annealing_epochs=0.0)
  assert constant.run_name.endswith('seed0_kl_annealing_epochs=0_epochs=6')
  for other in (
    Config(),
    Config(decoder='autoregressive', architecture='paper'),
    Config(decoder='autoregressive', steps=10),
    Config(decoder='autoregressive', target_rate=8.0),
  ):
    assert other.kl_annealing_epochs == 0


def test_beta_reaches_its_value():
  with pytest.raises(UserError, match='at most the 2 epochs, got 3: beta'):
    Config(epochs=2.0, kl_annealing_epochs=3.0)
  assert Config(epochs=2.0, kl_annealing_epochs=2.0)


def test_steps_and_epochs_take_each_other_s_place():
  assert configs.instead({'steps': 3}) == {'steps': 3, 'epochs': None}
  assert configs.instead({'epochs': 3.0}) == {'steps': None, 'epochs': 3.0}
  both = {'steps': 3, 'epochs': None, 'seed': 1}
  assert configs.instead(both) == both
  assert configs.instead({'seed': 1}) == {'seed': 1}


def test_json_round_trip(tmp_path):
  for beta in (0.3, '0.1:10'):
    config = Config(beta=beta, marginal='maf', steps=10)
    assert configs.from_json(Config, configs.to_json(config)) == config
  run = Run(tmp_path)
  run.open(config)
  run.check(config)
  assert run.config == config
  with pytest.raises(UserError, match='another config .beta: 0.1:10, not 1.0'):
    run.check(dataclasses.replace(config, beta=1.0))


def test_damaged_or_missing_json_is_told(tmp_path):
  run = Run(tmp_path)
  with pytest.raises(UserError, match='not a run directory'):
    _ = run.config
  for text, message in (
    ('{', 'is not a config'),
    ('[]', 'is not a config'),
    ('{"kind": "training", "gamma": 1}', 'is not a config: .*gamma'),
    ('{"dataset": "static_mnist"}', 'an earlier version of vae_info wrote it'),
    ('{"kind": "baseline"}', 'of a baseline, not of a training'),
  ):
    (tmp_path / 'config.json').write_text(text)
    with pytest.raises(UserError, match=message):
      _ = run.config
