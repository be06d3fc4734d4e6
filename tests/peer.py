"""The peer of the benchmark: the same networks in PyTorch, in a process.

The networks that it builds follow from ours. `describe` walks our chains, and
writes down their layers. So a change of ours needs no change here, unless it
brings a new kind of part.
"""

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

from tests import torch_peer
from vae_info import machine
from vae_info.errors import UserError

SCRIPT = pathlib.Path(torch_peer.__file__)
# What is compared: attributes of a config, and the goal of the ratio.
CASES = (
  ({}, 1.3),
  ({'decoder': 'autoregressive'}, 1.3),
  ({'architecture': 'paper'}, 1.0),
  ({'precision': 'bfloat16'}, 1.3),
)


def check(python: str) -> None:
  """Raises `UserError` unless this Python has torch and numpy."""
  try:
    found = subprocess.run(
      [python, '-c', 'import numpy, torch'], capture_output=True
    )
  except OSError as error:
    raise UserError(f'--peer must be a Python, got {python}: {error}') from None
  if found.returncode:
    raise UserError(
      f'--peer must be a Python with torch and numpy, got {python}; '
      'python3 -m venv FOLDER && FOLDER/bin/pip install torch==2.13.0 numpy '
      'makes one'
    )


class Peer:
  """A training in PyTorch that takes steps when it is asked to.

  Attributes:
    answer: Its number of `weights`, and `rate` and `distortion` of the first
      batch, with `noise` as in `reference`.
  """

  def __init__(self, python: str, step, compiled: bool):
    """Starts the process, and takes a first step.

    Args:
      python: A Python with torch.
      step: The `tests.benchmark.Step` to do the same as.
      compiled: Whether `torch.compile` compiles the networks.
    """
    self._folder = tempfile.TemporaryDirectory()
    spec = describe(step, f'{self._folder.name}/arrays.npz', compiled)
    self._process = subprocess.Popen(
      [python, str(SCRIPT)],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      env=os.environ | {'TORCHINDUCTOR_CACHE_DIR': self._folder.name},
    )
    self.answer = json.loads(self._ask(json.dumps(dataclasses.asdict(spec))))
    self.seconds(3)

  def seconds(self, steps: int) -> float:
    """How long one of `steps` steps takes, seconds."""
    return float(self._ask(str(steps)))

  def _ask(self, line):
    print(line, file=self._process.stdin, flush=True)
    answer = self._process.stdout.readline()
    if not answer:
      raise UserError('the peer ended; its errors are above')
    return answer

  def __enter__(self):
    return self

  def __exit__(self, *error):
    self._process.communicate()  # The end of its input ends it.
    self._folder.cleanup()


def describe(step, arrays: str, compiled: bool) -> torch_peer.Spec:
  """The spec of a step's networks; writes their weights and a batch.

  Args:
    step: A `tests.benchmark.Step` of one beta, with a Gaussian marginal.
    arrays: The `.npz` to write.
    compiled: For the spec.
  """
  weights = _Weights()
  config, model = step.config, step.model
  encoder = weights.chain(model.encoder.network, step.images[:1])
  decoder, causal = model.decoder.network, None
  codes = np.zeros([1, config.latent_size], np.float32)
  if config.decoder == 'autoregressive':
    stack = decoder.pixels
    decoder = decoder.context
  described = weights.chain(decoder, codes)
  if config.decoder == 'autoregressive':
    causal = {
      'around': weights.masked(stack.around),
      'hidden': [weights.masked(layer) for layer in stack.hidden],
      'within': weights.masked(stack.within),
      **{
        name: weights.layer('dense', getattr(stack, name))
        for name in ('spread', 'mix', 'out')
      },
    }
  np.savez(arrays, images=step.images, noise=noise_of(config), **weights.arrays)
  return torch_peer.Spec(
    encoder=encoder,
    decoder=described,
    causal=causal,
    arrays=arrays,
    batch_size=config.batch_size,
    beta=config.beta,
    learning_rate=config.learning_rate,
    precision=config.precision,
    threads=machine.cores(),
    compiled=compiled,
  )


def noise_of(config) -> np.ndarray:
  """The noise of the first batch's codes, float32 `[B, L]`."""
  rng = np.random.default_rng(0)
  shape = (config.batch_size, config.latent_size)
  return rng.standard_normal(shape, dtype=np.float32)


def reference(step) -> tuple[float, float]:
  """Our mean R and D of the first batch, for the peer's noise."""
  from vae_info import objectives

  model = step.model
  encoding = model.encoder(step.images[: step.config.batch_size] * 1.0)
  normal = encoding.distribution
  codes = normal.loc + normal.scale * noise_of(step.config)
  values = objectives.rate_and_distortion(
    model, step.images[: step.config.batch_size] * 1.0, encoding, codes
  )
  rate, distortion = (float(value.numpy().mean()) for value in values)
  return rate, distortion


class _Weights:
  """Describes parts, and collects their weights."""

  def __init__(self):
    self.arrays = {}

  def chain(self, chain, x) -> list[dict]:
    """Describes a chain's parts; x is an input of it, for the shapes."""
    parts = []
    for part in chain.parts:
      y = part(x)
      parts += self._part(part, x, y)
      x = y
    return parts

  def _part(self, part, x, y):
    """The description of one part: a list of one, or of none."""
    if hasattr(part, 'chain'):
      return [{'op': 'residual', 'parts': self.chain(part.chain, x)}]
    if hasattr(part, 'kernel'):
      return [self.layer(_kind(part), part, x.shape)]
    function, options = part, {}
    if isinstance(part, functools.partial):
      function = part.func
      options = {'block': part.keywords['block_size']}
    name = function.__name__.removesuffix('_v2')
    if name in ('swish', 'gated', 'flatten', *_BLOCKS):
      return [{'op': name, 'options': options}]
    if x.shape != y.shape and len(y.shape) == 4:  # layers.to_shape
      return [{'op': 'to_shape', 'options': {'shape': list(y.shape[1:])}}]
    if name in (
      '_signs',
      '_centred',
      '_unchanged',
    ):  # The peer's own; and nothing.
      return []
    raise UserError(f'the peer has no part {name}')

  def layer(self, op, layer, shape=None) -> dict:
    """Describes a layer, and collects its weights."""
    number = len(self.arrays)
    self.arrays[f'{number}'] = layer.kernel.numpy()
    self.arrays[f'{number}b'] = layer.bias.numpy()
    part = {'op': op, 'weights': number, 'outputs': layer.bias.shape[0]}
    if hasattr(layer, '_stride'):
      part['stride'] = layer._stride
    if op == 'conv':
      part['pads'] = [[0, 0], [0, 0]]
      if layer._padding == 'SAME':
        part['pads'] = [
          _pads(length, size, layer._stride)
          for length, size in zip(
            shape[1:3], layer.kernel.shape[:2], strict=True
          )
        ]
    return part

  def masked(self, masked) -> dict:
    """Describes a masked layer of the causal stack."""
    if hasattr(masked, 'conv'):
      part, mask = self.layer('masked', masked.conv), masked.conv.mask
      part['pads'] = [list(pad) for pad in masked.PADS[1:3]]
    else:
      part, mask = self.layer('masked_dense', masked), masked._mask
    kernel = self.arrays[f'{part["weights"]}']
    self.arrays[f'{part["weights"]}m'] = np.broadcast_to(mask, kernel.shape)
    return part


_BLOCKS = ('space_to_depth', 'depth_to_space')


def _kind(layer):
  names = {'Dense': 'dense', 'Conv': 'conv', 'ConvTranspose': 'conv_transpose'}
  return names[type(layer).__name__]


def _pads(length, size, stride):
  """How much 'SAME' pads before and after an axis."""
  total = max((-(-length // stride) - 1) * stride + size - length, 0)
  return [total // 2, total - total // 2]


def compare(python: str, make_step, pairs: int = 5):
  """Yields rows of the benchmark: our step against PyTorch's best.

  Args:
    python: A Python with torch.
    make_step: Makes a `tests.benchmark.Step` of a config's attributes.
    pairs: Timings of both, one after the other.
  """
  for kwargs, goal in CASES:
    name = ' '.join(kwargs.values()) or 'float32'
    step = make_step(**kwargs)
    ours = sum(v.shape.num_elements() for v in step.model.trainable_variables)
    step.call_seconds()
    for compiled in (False, True):
      with Peer(python, step, compiled) as peer:
        _check_same(step, ours, peer.answer)
        times = [
          (step.call_seconds(), peer.seconds(step.CALLS)) for _ in range(pairs)
        ]
      mine, theirs = np.array(times).T
      kind = 'compiled' if compiled else 'eager'
      yield (
        f'times faster than PyTorch {peer.answer["torch"]} {kind}: {name}',
        float(np.median(theirs / mine)),
        f'>= {goal}',
        f'{1e3 * np.median(mine):.1f} ms against {1e3 * np.median(theirs):.1f} '
        f'ms a step, {pairs} pairs; {ours:,} weights and the same D and R',
      )


def _check_same(step, weights, answer):
  """Raises `UserError` unless both have the same weights, R and D."""
  if answer['weights'] != weights:
    raise UserError(f'we have {weights} weights, PyTorch {answer["weights"]}')
  ours = reference(step)
  theirs = answer['rate'], answer['distortion']
  # One bfloat16 has three digits.
  tolerance = 1e-4 if step.config.precision == 'float32' else 2e-2
  if not np.allclose(ours, theirs, rtol=tolerance):
    raise UserError(f'our R and D are {ours}, those of PyTorch {theirs}')
