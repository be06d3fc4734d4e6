"""Networks of vae_info in PyTorch, from a description of their parts.

Grids are `[N, C, H, W]`, channels last in memory. `tests/torch_peer.py` imports
this file, in a Python that has torch.
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Build:
  """Makes modules of parts.

  A part is a dict: its `op`, and what the class or function of this name needs.
  """

  def __init__(self, arrays, exact):
    """Keeps what all parts need.

    Args:
      arrays: The weights in TensorFlow's layout, by number as text. A bias has
        a `b` after its number, a mask an `m`.
      exact: Whether to pad as TensorFlow does, which pads strided convolutions
        unevenly. Else even padding shifts outputs by a pixel, and saves a copy.
    """
    self.arrays = arrays
    self.exact = exact

  def chain(self, parts):
    return nn.Sequential(*map(self.part, parts))

  def part(self, part):
    kind = LAYERS.get(part['op'])
    return kind(self, part) if kind else Function(part)


class Layer(nn.Module):
  """A kernel and a bias."""

  def __init__(self, build, part):
    super().__init__()
    kernel = torch.from_numpy(build.arrays[str(part['weights'])])
    if kernel.ndim == 4:
      kernel = kernel.permute(3, 2, 0, 1).contiguous(
        memory_format=torch.channels_last
      )
    else:
      kernel = kernel.T.contiguous()
    self.kernel = nn.Parameter(kernel)
    self.bias = nn.Parameter(
      torch.from_numpy(build.arrays[f'{part["weights"]}b'])
    )
    self.part = part
    self.exact = build.exact


class Dense(Layer):
  """`[N, inputs] -> [N, outputs]`, or the same at each place of a grid."""

  def forward(self, x):
    if x.ndim == 2:
      return functional.linear(x, self.kernel, self.bias)
    x = functional.linear(x.permute(0, 2, 3, 1), self.kernel, self.bias)
    return x.permute(0, 3, 1, 2)


class Conv(Layer):
  """A convolution; `pads` are [[top, bottom], [left, right]]."""

  def forward(self, x):
    stride, ((top, bottom), (left, right)) = (
      self.part['stride'],
      self.part['pads'],
    )
    even = (math.ceil((top + bottom) / 2), math.ceil((left + right) / 2))
    if self.exact and (top != bottom or left != right):
      x, even = functional.pad(x, (left, right, top, bottom)), (0, 0)
    return functional.conv2d(x, self.kernel, self.bias, stride, even)


class Masked(Layer):
  """A convolution that sees rows above, and what is to the left."""

  def __init__(self, build, part):
    super().__init__(build, part)
    mask = torch.from_numpy(build.arrays[f'{part["weights"]}m'])
    self.register_buffer('mask', mask.permute(3, 2, 0, 1).contiguous())

  def forward(self, x):
    (top, bottom), (left, right) = self.part['pads']
    x = functional.pad(x, (left, right, top, bottom))
    return functional.conv2d(x, self.kernel * self.mask, self.bias)


class MaskedDense(Layer):
  """`[N, H, W, inputs] -> [N, H, W, outputs]` without some connections."""

  def __init__(self, build, part):
    super().__init__(build, part)
    mask = torch.from_numpy(build.arrays[f'{part["weights"]}m'])
    self.register_buffer('mask', mask.T.contiguous())

  def forward(self, x):
    return functional.linear(x, self.kernel * self.mask, self.bias)


class ConvTranspose(Layer):
  """A transposed convolution with 'SAME' padding."""

  def forward(self, x):
    stride = self.part['stride']
    crop = self.kernel.shape[-1] - stride
    if crop % 2 and stride > 1 and not self.exact:
      return functional.conv_transpose2d(
        x, self.kernel, self.bias, stride, (crop + 1) // 2, 1
      )
    height, width = (stride * length for length in x.shape[2:])
    x = functional.conv_transpose2d(
      x, self.kernel, self.bias, stride, crop // 2
    )
    return x[:, :, :height, :width]  # TensorFlow crops the more at the end.


class Residual(nn.Module):
  """x plus the output of a chain."""

  def __init__(self, build, part):
    super().__init__()
    self.chain = build.chain(part['parts'])

  def forward(self, x):
    return x + self.chain(x)


class Function(nn.Module):
  """One of `FUNCTIONS`, with its options."""

  def __init__(self, part):
    super().__init__()
    self.function = FUNCTIONS[part['op']]
    self.options = part.get('options', {})

  def forward(self, x):
    return self.function(x, **self.options)


def swish(x):
  """TensorFlow's name of SiLU."""
  return functional.silu(x)


def gated(x):
  """`[N, 2 C, ...] -> [N, C, ...]`; see `layers.gated`."""
  values, gates = x.chunk(2, 1)
  return values * gates.sigmoid()


def flatten(x):
  """`[N, C, H, W] -> [N, H W C]`."""
  return x.permute(0, 2, 3, 1).flatten(1)


def to_shape(x, shape):
  """`[N, M] -> [N, C, H, W]`; `shape` is [H, W, C]."""
  return x.view(-1, *shape).permute(0, 3, 1, 2)


def space_to_depth(x, block):
  """As TensorFlow's, where the channels of a pixel stay neighbours."""
  count, channels, height, width = x.shape
  x = x.permute(0, 2, 3, 1).reshape(
    count, height // block, block, width // block, block, channels
  )
  x = x.permute(0, 1, 3, 2, 4, 5)
  x = x.reshape(count, height // block, width // block, -1)
  return x.permute(0, 3, 1, 2)


def depth_to_space(x, block):
  """The inverse of `space_to_depth`."""
  count, channels, height, width = x.shape
  x = x.permute(0, 2, 3, 1).reshape(count, height, width, block, block, -1)
  x = x.permute(0, 1, 3, 2, 4, 5)
  x = x.reshape(count, height * block, width * block, channels // block**2)
  return x.permute(0, 3, 1, 2)


LAYERS = {
  'dense': Dense,
  'conv': Conv,
  'masked': Masked,
  'masked_dense': MaskedDense,
  'conv_transpose': ConvTranspose,
  'residual': Residual,
}
FUNCTIONS = {
  function.__name__: function
  for function in (
    swish,
    gated,
    flatten,
    to_shape,
    space_to_depth,
    depth_to_space,
  )
}


class Network(nn.Module):
  """Images `[B, 1, H, W]` and noise `[B, L]` -> mean R and D, nats."""

  def __init__(self, spec, arrays, exact):
    super().__init__()
    build = Build(arrays, exact)
    self.encoder = build.chain(spec.encoder)
    self.decoder = build.chain(spec.decoder)
    self.causal = None
    if spec.causal:
      self.causal = Causal(build, spec.causal)
    self.half = spec.precision == 'bfloat16'
    self.to(memory_format=torch.channels_last)

  def forward(self, images, noise):
    with torch.autocast('cpu', torch.bfloat16, self.half):
      parameters = self.encoder(2.0 * images - 1.0)
    mean, scale = parameters.float().chunk(2, -1)
    scale = functional.softplus(scale) + 1e-4
    codes = mean + scale * noise
    # The terms log(2 pi) / 2 of the two densities cancel.
    rates = 0.5 * (codes**2 - noise**2) - torch.log(scale)
    return rates.sum(-1).mean(), self.distortion(images, codes)

  def distortion(self, images, codes):
    with torch.autocast('cpu', torch.bfloat16, self.half):
      x = self.decoder(codes)
      if self.causal is not None:
        cells = space_to_depth(space_to_depth(images, 2), 2)
        x = self.causal(cells, x)
    if self.causal is None:
      losses = functional.binary_cross_entropy_with_logits(
        x.float(), images, reduction='sum'
      )
    else:
      bits = cells.permute(0, 2, 3, 1).reshape(-1, 4).long()
      symbols = (bits * torch.tensor([1, 2, 4, 8])).sum(1)
      losses = functional.cross_entropy(x.float(), symbols, reduction='sum')
    return losses / len(images)


class Causal(nn.Module):
  """`causal_stack.CausalStack`: logits of 2x2 blocks, `[B H' W', 16]`."""

  def __init__(self, build, parts):
    super().__init__()
    self.hidden = build.chain(parts['hidden'])
    for name in ('around', 'within', 'spread', 'mix', 'out'):
      setattr(self, name, build.part(parts[name]))

  def forward(self, cells, context):
    pixels = 2.0 * cells - 1.0
    seen = self.around(pixels) + context
    width = seen.shape[1] // 5
    x, blocks = seen.split([width, 4 * width], 1)
    for layer in self.hidden:
      x = x + swish(layer(x))
    blocks = (blocks + self.spread(swish(x))).permute(0, 2, 3, 1)
    blocks = blocks + self.within(pixels.permute(0, 2, 3, 1))
    x = blocks.reshape(-1, width)
    x = x + swish(self.mix(x))
    return self.out(swish(x))
