"""Draws the codes, reconstructions and samples that `pictures` computes."""

import dataclasses
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from plots import style

# Ten colours that colour-blind readers can tell apart (Petroff, 2021).
COLOURS = matplotlib.color_sequences['petroff10']


@dataclasses.dataclass(frozen=True)
class Pictures:
  """Arrays that one model computes from the test images.

  Attributes:
    decoder: Name of the decoder.
    marginal: Name of the marginal.
    rate: R, nats.
    components: Codes projected onto a plane, float `[N, 2]`.
    labels: Labels of the codes' images, int `[N]`.
    images: Test images, `[M, H, W, C]` in [0, 1].
    reconstructions: Reconstructions of `images`, float `[M, H, W, C]` in
      [0, 1]: probabilities of the pixels, or a sample if the decoder gives no
      probabilities of single pixels.
    samples: Samples of the model, float `[M, H, W, C]` in [0, 1].
  """

  decoder: str
  marginal: str
  rate: float
  components: np.ndarray
  labels: np.ndarray
  images: np.ndarray
  reconstructions: np.ndarray
  samples: np.ndarray


def _signs(pictures: Pictures) -> str:
  """The paper's tuple (d, m): a sign for the decoder, one for the marginal."""
  decoder = style.decoder_look(pictures.decoder)[0]
  return f'({decoder}, {style.marginal_look(pictures.marginal).sign})'


@style.styled
def codes(rows: Sequence[Sequence[Pictures]]) -> Figure:
  """Codes coloured by label: a row for each decoder, by falling rate."""
  columns = max(map(len, rows))
  side = min(style.WIDTH / columns, 1.6)
  figure = Figure((side * columns, (side + 0.1) * len(rows)))
  figure.set_layout_engine(
    'constrained', h_pad=0.02, hspace=0, w_pad=0.02, wspace=0
  )
  grid = figure.subplots(len(rows), columns, squeeze=False)
  for line, row in zip(grid, rows, strict=True):
    for axes, pictures in zip(line, row, strict=False):
      _scatter(axes, pictures)
    for axes in line[len(row) :]:
      axes.set_axis_off()
  return figure


def apart(places: Sequence[np.ndarray], distance: float) -> np.ndarray:
  """Moves places of names that are closer than `distance`, as little as it can.

  Args:
    places: Float `[N, 2]`.
    distance: How far apart names have to be.

  Returns:
    Float `[N, 2]`.
  """
  moved = np.array(places, float)
  for _ in range(200):
    gaps = moved[:, None] - moved
    lengths = np.linalg.norm(gaps, axis=-1)
    np.fill_diagonal(lengths, np.inf)
    short = np.clip(distance - lengths, 0, None)
    if short.max(initial=0) < 1e-3 * distance:
      break
    # Names at the same place part in the order of their numbers.
    order = np.sign(np.arange(len(moved))[:, None] - np.arange(len(moved)))
    same = (lengths < 1e-9)[..., None]
    ways = np.where(same, order[..., None] * [1.0, 0.0], gaps)
    ways /= np.maximum(np.linalg.norm(ways, axis=-1), 1e-9)[..., None]
    moved += 0.5 * (short[..., None] * ways).sum(axis=1)
  return moved


def _scatter(axes, pictures):
  """Draws a plane of codes, with each label near the median of its codes."""
  places, labels = pictures.components, pictures.labels
  axes.scatter(
    *places.T,
    c=[COLOURS[label] for label in labels],
    s=1.6,
    linewidths=0,
    alpha=0.6,
    rasterized=True,
  )
  reach = np.quantile(np.abs(places), 0.995) * 1.1 or 1.0
  names = np.unique(labels)
  middles = [np.median(places[labels == name], axis=0) for name in names]
  for label, place in zip(names, apart(middles, 0.17 * reach), strict=True):
    axes.text(
      *place,
      str(label),
      color=COLOURS[label],
      fontweight='bold',
      fontsize=7,
      ha='center',
      va='center',
      path_effects=[withStroke(linewidth=2, foreground='white')],
    )
  # The axes leave out a few far codes, which would squeeze all others.
  axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect='equal')
  axes.set(xticks=[], yticks=[])
  axes.spines[:].set(color='#BBBBBB', linewidth=0.4)
  axes.set_title(
    f'{_signs(pictures)}  R = {pictures.rate:.1f}', fontsize=6.5, pad=2
  )


@style.styled
def reconstructions(column: Sequence[Pictures]) -> Figure:
  """Test images, and below them reconstructions and samples, by falling rate.

  Args:
    column: Models with one decoder and the same test images, by falling rate.
  """
  images = column[0].images
  count = len(images)
  cell = (style.WIDTH - 0.95) / (2 * count + 0.5)
  figure = Figure((style.WIDTH, cell * (len(column) + 1) * 1.04 + 0.35))
  figure.set_layout_engine(
    'constrained', h_pad=0.01, hspace=0, w_pad=0.02, wspace=0.02
  )
  axes = figure.subplots(len(column) + 1, 2, squeeze=False)
  blank = np.zeros_like(images)
  _strip(axes[0, 0], images, 'test images')
  _strip(axes[0, 1], blank, None)
  axes[0, 1].images[0].set_visible(False)
  for row, pictures in zip(axes[1:], column, strict=True):
    name = f'{_signs(pictures)}  R = {pictures.rate:.1f}'
    _strip(row[0], pictures.reconstructions, name)
    _strip(row[1], pictures.samples, None)
  axes[0, 0].set_title('reconstructions')
  axes[0, 1].set_title('samples')
  return figure


def _strip(axes, images, name):
  """Draws a row of images `[M, H, W, C]`, ink dark, with its name on the left.

  No name is drawn if `name` is None.
  """
  # A white column after each image separates them.
  padded = np.pad(images, [(0, 0), (0, 0), (0, 1), (0, 0)])
  strip = np.concatenate([*padded], axis=1)
  if strip.shape[-1] == 1:
    axes.imshow(1 - strip[..., 0], cmap='gray', vmin=0, vmax=1)
  else:
    axes.imshow(strip)
  axes.set(xticks=[], yticks=[])
  axes.spines[:].set_visible(False)
  if name:
    axes.set_ylabel(name, rotation=0, ha='right', va='center')
