"""Layers in bfloat16, with kernels of TensorFlow's own and without."""

import numpy as np
import pytest
import tensorflow as tf

from vae_info import machine, randomness
from vae_info.networks import layers


def make_layer(kind):
  make = layers.Make(randomness.generator(0, kind))
  if kind == 'dense':
    return make.dense(300, 8), [16, 300]
  if kind == 'conv':
    return make.conv(6, 8, 5, stride=2), [4, 12, 12, 6]
  return make.conv_transpose(6, 8, 5, stride=2), [4, 7, 7, 6]


def output_and_gradients(layer, x):
  """A layer's output, and gradients of its squares by x and kernel."""
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = layer(x)
    loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
  return y, tape.gradient(loss, [x, layer.kernel])


KINDS = ('dense', 'conv', 'conv_transpose')


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('kernels', ['own', 'of float32'])
def test_bfloat16_is_near_float64_with_the_same_factors(
  kind, kernels, monkeypatch
):
  if kernels == 'of float32':
    monkeypatch.setattr(machine, 'multiplies_bfloat16', lambda: False)
  elif not machine.multiplies_bfloat16():
    pytest.skip('here TensorFlow has no kernels of its own for bfloat16')
  layer, shape = make_layer(kind)
  layer.kernel.assign(tf.cast(tf.cast(layer.kernel, 'bfloat16'), 'float32'))
  x = tf.cast(tf.random.stateless_normal(shape, [0, 1]), tf.bfloat16)
  y, gradients = output_and_gradients(layer, x)
  assert y.dtype == gradients[0].dtype == tf.bfloat16
  exact, exact_gradients = output_and_gradients(layer, tf.cast(x, 'float64'))
  for one, other in zip(
    [y, *gradients], [exact, *exact_gradients], strict=True
  ):
    one, other = (tf.cast(v, tf.float64).numpy() for v in (one, other))
    # A bfloat16 has 8 bits, so one rounding changes at most one part in 256.
    # A gradient is a sum of rounded numbers, and is rounded once more.
    np.testing.assert_allclose(
      one, other, rtol=1 / 128, atol=np.abs(other).max() / 256
    )


def test_bfloat16_without_its_own_kernels_rounds_factors_and_sums(monkeypatch):
  monkeypatch.setattr(machine, 'multiplies_bfloat16', lambda: False)
  layer, shape = make_layer('dense')
  x = tf.cast(tf.random.stateless_normal(shape, [0, 1]), tf.bfloat16)
  kernel = tf.cast(layer.kernel, tf.bfloat16)
  exact = x.numpy().astype(np.float64) @ kernel.numpy().astype(np.float64)
  rounded = tf.cast(exact, tf.bfloat16)
  # A float32 sum that lies between two bfloat16 may round the other way.
  assert np.mean(layer(x).numpy() == rounded.numpy()) > 0.98
  # Without rounding of the factors, most outputs would be others.
  unrounded = tf.matmul(tf.cast(x, tf.float32), layer.kernel)
  unrounded = tf.cast(unrounded, tf.bfloat16)
  assert np.mean(unrounded.numpy() == rounded.numpy()) < 0.9


@pytest.mark.parametrize('kind', KINDS)
def test_float32_does_not_depend_on_kernels_for_bfloat16(kind, monkeypatch):
  layer, shape = make_layer(kind)
  x = tf.random.stateless_normal(shape, [0, 1])
  outputs = []
  for fast in (True, False):
    monkeypatch.setattr(machine, 'multiplies_bfloat16', lambda fast=fast: fast)
    outputs.append(layer(x).numpy())
  np.testing.assert_array_equal(*outputs)
