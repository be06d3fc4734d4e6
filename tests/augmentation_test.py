"""Two views: what the encoder sees is transformed, what is explained is not."""

import numpy as np
import tensorflow as tf

from vae_info import augmentation, objectives, steps
from vae_info.config import Config
from vae_info.networks import model as models
from vae_info.networks.encoders import ConvEncoder


def identity(size):
  rows, columns = np.indices((size, size)).reshape([2, 1, -1])
  return rows.astype(np.float32), columns.astype(np.float32)


def random_images(count, size):
  bits = np.random.default_rng(0).integers(0, 2, [count, size, size, 1])
  return tf.constant(bits, tf.float32)


def test_no_change_is_the_image_itself():
  images = random_images(1, 6)
  same = augmentation.transform(images, *identity(6))
  np.testing.assert_array_equal(same, images)
  still = augmentation._coordinates(images.shape, tf.zeros([1, 6]))
  np.testing.assert_allclose(still[0], identity(6)[0], atol=1e-6)
  np.testing.assert_allclose(still[1], identity(6)[1], atol=1e-6)


def test_a_shift_takes_pixels_from_beside_and_zeros_from_outside():
  images = random_images(2, 6)
  rows, columns = identity(6)
  moved = augmentation.transform(
    images, np.tile(rows - 1, [2, 1]), np.tile(columns + 2, [2, 1])
  ).numpy()
  np.testing.assert_array_equal(moved[:, 1:, :-2], images[:, :-1, 2:])
  assert not moved[:, 0].any()
  assert not moved[:, :, -2:].any()


def test_between_two_pixels_both_count():
  image = tf.reshape(tf.constant([1.0, 0.0, 0.0, 0.0]), [1, 2, 2, 1])
  rows, columns = identity(2)
  for offset, expected in ((0.4, 1.0), (0.6, 0.0)):
    moved = augmentation.transform(image, rows, columns + offset)
    assert moved[0, 0, 0, 0] == expected


def test_draws_differ_within_their_bounds_and_repeat():
  images = tf.ones([500, 28, 28, 1])
  seen = augmentation.affine(images, tf.constant([1, 2]), 0, 1)
  again = augmentation.affine(images, tf.constant([1, 2]), 0, 1)
  other = augmentation.affine(images, tf.constant([1, 3]), 0, 1)
  np.testing.assert_array_equal(seen, again)
  assert not np.array_equal(seen, other)
  assert set(np.unique(seen)) == {0, 1}
  # A shift by 2.8 pixels, turns and scales keep the middle.
  np.testing.assert_array_equal(seen[:, 11:17, 11:17], 1)
  assert len(np.unique(seen.numpy().reshape([500, -1]), axis=0)) > 490


def test_shares_draw_as_the_whole_batch_does():
  images = random_images(6, 28)
  whole = augmentation.affine(images, tf.constant([1, 2]), 0, 1)
  thirds = [
    augmentation.affine(part, tf.constant([1, 2]), share, 3)
    for share, part in enumerate(tf.split(images, 3))
  ]
  np.testing.assert_array_equal(tf.concat(thirds, axis=0), whole)


def test_the_decoder_explains_the_image_as_it_is(tiny, monkeypatch):
  explained, seen = [], []
  distortion, parameters = objectives.distortion, ConvEncoder.parameters

  def explain(images, *rest):
    explained.append(images.numpy())
    return distortion(images, *rest)

  def see(encoder, images):
    seen.append(images.numpy())
    return parameters(encoder, images)

  monkeypatch.setattr(objectives, 'distortion', explain)
  monkeypatch.setattr(ConvEncoder, 'parameters', see)
  monkeypatch.setattr(
    steps.augmentation, 'affine', lambda images, *_: 1 - images
  )
  real = tiny.train.images[:16].astype(np.float32)
  for kind, expected in (('affine', 1 - real), (None, real)):
    config = Config(batch_size=16, augmentation=kind)
    model = models.build(config, tiny.train.images)
    forward = steps._make_forward(
      config, model, tf.constant(tiny.train.images), 1
    )
    forward(tf.constant(0), tf.range(16), 0, steps._common(config, model, 1))
    np.testing.assert_array_equal(explained.pop(), real)
    np.testing.assert_array_equal(seen.pop(), expected)
  assert not explained and not seen
