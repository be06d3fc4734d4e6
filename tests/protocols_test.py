"""Networks of a user's own: their distributions have the shapes they should."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import model as models

tfd = tfp.distributions


class Decoder(tf.Module):
  """Pixels whose logits are the first dimension of the code."""

  def __init__(self, config, image_shape, make):
    super().__init__()
    del config, make
    self.image_shape = image_shape

  def pixels(self, codes):
    """Batch `[B, H, W, C]` instead of `[B]`."""
    return tfd.Bernoulli(
      tf.zeros(self.image_shape) + codes[..., :1, tf.newaxis, tf.newaxis]
    )

  def __call__(self, codes):
    return tfd.Independent(self.pixels(codes), 3)


class DecoderOfPixels(Decoder):
  def __call__(self, codes):
    return self.pixels(codes)


class Marginal(tf.Module):
  """Dimensions that are a batch instead of an event."""

  def __init__(self, config, images, make, encoder):
    super().__init__()
    del images, make, encoder
    self.size = config.latent_size

  def __call__(self):
    return tfd.Normal(tf.zeros(self.size), 1.0)


class Encoder(tf.Module):
  """The same mistake."""

  def __init__(self, config, image_shape, make):
    super().__init__()
    del image_shape, make
    self.size = config.latent_size

  def parameters(self, images):
    return tf.reshape(images, [len(images), -1])[:, : self.size]

  def distribution(self, parameters):
    return tfd.Normal(parameters, 1.0)

  def __call__(self, images):
    return self.distribution(self.parameters(images))


class LongEncoder(Encoder):
  """Codes of other than `latent_size` dimensions."""

  def __init__(self, config, image_shape, make):
    super().__init__(config, image_shape, make)
    self.size += 1

  def distribution(self, parameters):
    return tfd.Independent(super().distribution(parameters), 1)


@pytest.mark.parametrize(
  'flags, message',
  [
    (
      {'decoder': f'{__name__}:DecoderOfPixels'},
      r'decoder .* gives batch \[2, 8, 8, 1\], event \[\] for 2 images; '
      r'expected batch \[2\], event \[8, 8, 1\]',
    ),
    (
      {'marginal': f'{__name__}:Marginal'},
      r'batch \[3\], event \[\] .* expected batch \[\], event \[3\]',
    ),
    (
      {'encoder': f'{__name__}:Encoder'},
      r'batch \[2, 3\], event \[\] .* expected batch \[2\], event \[3\]',
    ),
    (
      {'encoder': f'{__name__}:LongEncoder'},
      r'encoder .* event \[4\] .* expected batch \[2\], event \[3\]',
    ),
  ],
)
def test_wrong_shapes_are_refused(tiny, flags, message):
  with pytest.raises(UserError, match=message):
    models.build(Config(latent_size=3, **flags), tiny.train.images)


class LonelyEncoder(Encoder):
  """Its constructor takes too little."""

  def __init__(self, config):
    super().__init__(config, (8, 8, 1), None)


def test_a_class_that_cannot_be_constructed_is_named(tiny):
  config = Config(latent_size=3, encoder=f'{__name__}:LonelyEncoder')
  message = 'LonelyEncoder cannot be made with 3 arguments, .*protocols.py'
  with pytest.raises(UserError, match=message):
    models.build(config, tiny.train.images)


@pytest.mark.parametrize(
  'flags', [{}, {'encoder': 'categorical'}, {'marginal': 'vampprior'}]
)
def test_right_shapes_are_not(tiny, flags):
  config = Config(latent_size=3, decoder=f'{__name__}:Decoder', **flags)
  assert models.build(config, tiny.train.images)
