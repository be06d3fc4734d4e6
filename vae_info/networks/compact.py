"""The compact networks: residual convolutions over blocks of 4x4 pixels.

A CPU computes layers of few channels at 28x28 slowly. So the first part cuts an
image into blocks. The convolutions are over a grid of blocks, 7x7 for images of
28x28; only the causal stack has a finer one. `SHAPE` is the result of a search
for the best model after a fixed time; see this folder's README.
"""

import dataclasses
import math

import tensorflow as tf

from vae_info.networks import layers
from vae_info.networks.layers import Residual

silu = tf.nn.silu


@dataclasses.dataclass(frozen=True)
class Shape:
  """Sizes of the compact networks.

  Attributes:
    block: Height and width of a block of pixels.
    width: Channels of a convolution.
    encoder_depth: Residual convolutions of the encoder.
    decoder_depth: Residual convolutions of a decoder.
    hidden: Units of the dense layers next to the code.
    stack_width: Channels of the autoregressive decoder's causal stack.
    stack_depth: Residual convolutions of the causal stack, over cells.
  """

  block: int = 4
  width: int = 32
  encoder_depth: int = 2
  decoder_depth: int = 3
  hidden: int = 256
  stack_width: int = 64
  stack_depth: int = 4


SHAPE = Shape()


def encoder(
  make: layers.Make, image_shape: tuple[int, int, int], size: int
) -> list[layers.Part]:
  """Images `[B, H, W, C]` -> `[B, 2 size]`."""
  block, width, hidden = SHAPE.block, SHAPE.width, SHAPE.hidden
  rows, columns = image_shape[0] // block, image_shape[1] // block
  gain = layers.RELU_GAIN
  return [
    layers.space_to_depth(block),
    # The first layer sees strokes, whatever beta is.
    make.shared.conv(block**2 * image_shape[2], width, 3, gain=gain),
    silu,
    *_residual(make, SHAPE.encoder_depth),
    layers.flatten,
    make.dense(rows * columns * width, hidden, gain=gain),
    silu,
    make.dense(hidden, 2 * size, gain=0.1, codes=size),
  ]


def deconvolution(
  make: layers.Make,
  image_shape: tuple[int, int, int],
  size: int,
  kernel: int = 3,
) -> list[layers.Part]:
  """Codes `[N, size]` -> outputs `[N, H, W, C]`; the encoder in reverse.

  `kernel` is that of the last convolution.
  """
  outputs = SHAPE.block**2 * image_shape[2]
  return [
    *_body(make, image_shape, size),
    make.shared.conv(SHAPE.width, outputs, kernel, gain=0.5),
    layers.depth_to_space(SHAPE.block),
  ]


def context(
  make: layers.Make, image_shape: tuple[int, int, int], size: int
) -> list[layers.Part]:
  """Codes `[N, size]` -> the context of a `CausalStack` over blocks."""
  return [
    *_body(make, image_shape, size),
    make.shared.conv(
      SHAPE.width, 5 * SHAPE.stack_width, 1, gain=layers.RELU_GAIN
    ),
  ]


def _body(make, image_shape, size):
  """Codes `[N, size]` -> features `[N, H / block, W / block, width]`."""
  block, width, hidden = SHAPE.block, SHAPE.width, SHAPE.hidden
  coarse = (image_shape[0] // block, image_shape[1] // block, width)
  gain = layers.RELU_GAIN
  return [
    make.channels(size, codes=True),
    make.dense(size, hidden, gain=gain),
    silu,
    make.dense(hidden, math.prod(coarse), gain=gain),
    silu,
    layers.to_shape(*coarse),
    *_residual(make, SHAPE.decoder_depth),
  ]


def _residual(make, depth):
  """Residual 3x3 convolutions `[N, H, W, width]`."""
  width = SHAPE.width
  return [
    Residual(make.conv(width, width, 3, gain=0.7), silu) for _ in range(depth)
  ]
