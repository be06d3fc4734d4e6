"""The style of every figure, and how it draws a run.

Colour and shape show the marginal. A filled or open marker shows the decoder,
and a ring shows the flow encoder. So no two families differ by colour alone.
The colours are those of Okabe & Ito (2008).
"""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plots.table import INVARIANT, Row

Keywords: TypeAlias = dict[str, Any]  # Arguments of a matplotlib artist.
WIDTH = 5.5  # Inches: the text width of a page with one column.
NATS_PER_BIT = math.log(2)
MINUS = '\N{MINUS SIGN}'

# Below this level, it logs every letter under absl's handler.
logging.getLogger('fontTools').setLevel(logging.WARNING)

# A decorator for every function that makes a figure.
styled = matplotlib.rc_context(
  {
    'font.family': 'DejaVu Sans',  # Installed with matplotlib.
    'font.size': 7,
    'axes.titlesize': 7.5,
    'axes.labelsize': 7,
    'axes.linewidth': 0.6,
    'xtick.labelsize': 6.5,
    'ytick.labelsize': 6.5,
    'xtick.major.width': 0.6,
    'ytick.major.width': 0.6,
    'xtick.major.size': 2.5,
    'ytick.major.size': 2.5,
    'xtick.minor.size': 1.5,
    'ytick.minor.size': 1.5,
    'legend.fontsize': 6.5,
    'legend.frameon': False,
    'lines.linewidth': 1,
    'pdf.fonttype': 42,  # Keeps text in PDF as text.
  }
)

BLACK, GREY = '#000000', '#666666'
ORANGE, SKY, GREEN = '#E69F00', '#56B4E9', '#009E73'
BLUE, VERMILLION, PURPLE = '#0072B2', '#D55E00', '#CC79A7'


@dataclasses.dataclass(frozen=True)
class Look:
  """How a marginal is drawn.

  Attributes:
    sign: Its sign in the paper's key.
    name: Its name in our key.
    marker: Its marker, as matplotlib names it.
    colour: Its colour.
  """

  sign: str
  name: str
  marker: str
  colour: str


MARGINALS = {
  'gaussian': Look(MINUS, 'Gaussian', 'o', BLUE),
  'mixture': Look('m', 'mixture', 'D', BLACK),
  'maf': Look('+', 'MAF', 's', ORANGE),
  'vampprior': Look('v', 'VampPrior', '^', PURPLE),
}
# Decoder -> its sign, its name, and the fill style of its markers.
DECODERS = {
  'deconvolutional': (MINUS, 'deconvolutional', 'none'),
  'deconvolutional_invariant': ('i', 'invariant', 'left'),
  'autoregressive': ('+', 'autoregressive', 'full'),
  'local_autoregressive': ('l', 'local', 'right'),
}
RING: Keywords = {
  'marker': 'o',
  'markerfacecolor': 'none',
  'markeredgecolor': '#333333',
  'markeredgewidth': 0.5,
  'linestyle': 'none',
}
ANNEALED, DOTTED = (0, (3, 1.5)), (0, (1, 1.2))
DASH_DOTTED: Any = (0, (4, 1.2, 1, 1.2))
# Sizes of markers, points: for a training at one beta, and for one beta of a
# multi-beta model.
LARGE, SMALL = 4.2, 2.6


def _short(name: str) -> str:
  """The class name in `package.module:ClassName`."""
  return name.rpartition(':')[2]


def marginal_look(marginal: str) -> Look:
  """The look of a marginal; all of the user's own marginals share one."""
  return MARGINALS.get(marginal, Look('?', _short(marginal), 'P', GREY))


def decoder_look(decoder: str) -> tuple[str, str, str]:
  """Sign, name and fill style of a decoder; the user's own share one style."""
  return DECODERS.get(decoder, ('?', _short(decoder), 'bottom'))


def place(name: str, known: Iterable[str]) -> tuple[int, str]:
  """A sort key: names in the order of `known`, then all others by name."""
  known = [*known]
  return (known.index(name) if name in known else len(known)), name


def family_name(decoder: str, marginal: str) -> str:
  """The paper's tuple (d, m), followed by the names of both."""
  sign, name, _ = decoder_look(decoder)
  look = marginal_look(marginal)
  return f'({sign}, {look.sign}) {name}, {look.name}'


def marker(decoder: str, marginal: str, size: float = LARGE) -> Keywords:
  """Keywords of `Axes.plot` for one family's markers."""
  look, fill = marginal_look(marginal), decoder_look(decoder)[2]
  halves: Keywords = {'fillstyle': 'full', 'markerfacecolor': look.colour}
  if fill == 'none':
    halves['markerfacecolor'] = 'white'
  elif fill != 'full':
    halves |= {'fillstyle': fill, 'markerfacecoloralt': 'white'}
  return halves | {
    'color': look.colour,
    'marker': look.marker,
    'markersize': size,
    'markeredgewidth': 0.8 if size == LARGE else 0.6,
    'markeredgecolor': look.colour,
  }


def runs(
  rows: Iterable[Row],
) -> tuple[dict[tuple[str, str, str], list[Row]], dict[str, list[Row]]]:
  """Groups the β-VAEs by what is drawn as one artist.

  Returns:
    Two dicts: from each family to its runs that were trained at one beta; and
    from each multi-beta model's run to its rows, in the order of beta.
  """
  fixed: dict[tuple[str, str, str], list[Row]] = {}
  ranged: dict[str, list[Row]] = {}
  vaes = [row for row in rows if row.method == 'vae']
  for row in sorted(vaes, key=lambda row: (row.family, row.run, row.beta)):
    if row.beta_trained:
      ranged.setdefault(row.run, []).append(row)
    else:
      fixed.setdefault(row.family, []).append(row)
  return fixed, ranged


def draw_runs(axes, rows: Sequence[Row], x: str, y: str) -> None:
  """Draws column `y` against column `x`.

  Trainings at one beta become markers; multi-beta models become lines with
  small markers. Error bars show one standard error, behind the markers. The
  label of an artist is the family of its markers, or the run of its line.

  Args:
    axes: Where to draw.
    rows: The results; those that are not β-VAEs are skipped.
    x: Name of a column.
    y: Name of a column.
  """
  fixed, ranged = runs(rows)
  for run, group in ranged.items():
    line: Keywords = {'linewidth': 0.8, 'zorder': 4, 'label': run}
    if group[0].encoder != 'conv':
      line['linestyle'] = DASH_DOTTED
    elif group[0].decoder in INVARIANT:
      line['linestyle'] = DOTTED
    elif group[0].kl_annealing_epochs:
      line['linestyle'] = ANNEALED
    else:
      line['linestyle'] = '-'
    _draw(axes, group, x, y, SMALL, line)
  for family, group in fixed.items():
    line = {'linestyle': 'none', 'zorder': 5, 'label': ' '.join(family)}
    _draw(axes, group, x, y, LARGE, line)


def _draw(axes, group, x, y, size, line):
  """Draws one group: its markers, error bars, and rings for a flow encoder."""
  xs, ys = ([getattr(row, name) for row in group] for name in (x, y))
  look = marker(group[0].decoder, group[0].marginal, size)
  axes.errorbar(
    xs,
    ys,
    xerr=[getattr(row, f'{x}_stderr') or 0 for row in group],
    yerr=[getattr(row, f'{y}_stderr') or 0 for row in group],
    fmt='none',
    ecolor=look['color'],
    elinewidth=0.7,
    zorder=3,
  )
  axes.plot(xs, ys, **look, **line)
  if group[0].encoder != 'conv':
    ring = RING | {'markersize': 1.75 * size, 'zorder': 3.5}
    axes.plot(xs, ys, **ring, label=f'ring {line["label"]}')


def run_key(rows: Sequence[Row]) -> list[Line2D]:
  """The entries of a key for the β-VAEs in `rows`."""
  fixed, ranged = runs(rows)
  families = {family[1:] for family in fixed}
  families |= {group[0].family[1:] for group in ranged.values()}
  encoders = {row.encoder for row in rows if row.method == 'vae'}
  entries = [
    Line2D([], [], linestyle='none', label=family_name(*pair), **marker(*pair))
    for pair in sorted(
      families,
      key=lambda pair: (place(pair[0], DECODERS), place(pair[1], MARGINALS)),
    )
  ]
  if fixed and ranged:
    large = Line2D([], [], color=GREY, marker='o', linestyle='none')
    large.set(markersize=LARGE, label='large: one β, or R held')
    entries.append(large)
  if ranged:
    entries.append(
      Line2D(
        [],
        [],
        color=GREY,
        marker='o',
        markersize=SMALL,
        linewidth=0.8,
        label='line: trained for a range of β',
      )
    )
  entries += _line_styles([group[0] for group in ranged.values()])
  if any(row.seeds > 1 for row in rows if row.method == 'vae'):
    bar = Line2D([], [], color=GREY, marker='|', linestyle='none', markersize=6)
    bar.set_label('bar: standard error, of seeds if several')
    entries.append(bar)
  for encoder in sorted(encoders - {'conv'}):
    name = {'iaf': 'flow'}.get(encoder, _short(encoder))
    ring = Line2D([], [], markersize=6, label=f'ring: {name} encoder', **RING)
    entries.append(ring)
  return entries


def _line_styles(firsts):
  """The entries of a key for the lines of multi-beta models.

  Args:
    firsts: A row of each.
  """
  entries = []
  plain = [
    row
    for row in firsts
    if row.encoder == 'conv' and row.decoder not in INVARIANT
  ]
  if any(row.kl_annealing_epochs for row in plain):
    entries.append(_dashes(ANNEALED, 'dashed: β annealed'))
  if any(row.encoder != 'conv' for row in firsts):
    others = {row.encoder for row in firsts} - {'conv'}
    what = 'flow encoder' if others == {'iaf'} else 'another encoder'
    entries.append(_dashes(DASH_DOTTED, f'dashes and dots: {what}'))
  if any(row.decoder in INVARIANT for row in firsts):
    entries.append(_dashes(DOTTED, 'dotted: up to shears and shifts'))
  return entries


def _dashes(dashes, label):
  """An entry of a key for a kind of line."""
  return Line2D(
    [], [], color=GREY, linewidth=0.8, linestyle=dashes, label=label
  )


def signed(value: float, form: str) -> str:
  """A number with its sign, such as `+1.5`; the format has no sign."""
  text = f'{value:+{form}}'
  return text.replace('-', MINUS)


def key(
  figure: Figure, entries: Sequence, where: str, title: str, columns: int = 1
) -> None:
  """Adds a key below the axes; `where` is 'left' or 'right'."""
  # matplotlib's types do not know the locations outside the axes.
  figure.legend(  # pyrefly: ignore[no-matching-overload]
    handles=entries,
    loc=f'outside lower {where}',
    title=title,
    alignment='left',
    title_fontproperties={'size': 7, 'weight': 'bold'},
    ncols=columns,
    handlelength=2.4,
    labelspacing=0.3,
    columnspacing=1.2,
    borderaxespad=0.2,
  )


def title(axes, text: str, above_bits: bool = False) -> None:
  """Sets the title of a panel.

  Args:
    axes: The panel.
    text: The title.
    above_bits: Whether the panel has an axis in bits at the top. The title is
      then as high as the word 'bits'.
  """
  pad = 18 if above_bits else 3
  axes.set_title(text, loc='left', fontweight='bold', y=1, pad=pad)


def bits_above(axes) -> None:
  """Adds a second axis, in bits, at the top."""
  axes.secondary_xaxis(
    'top', (lambda x: x / NATS_PER_BIT, lambda x: x * NATS_PER_BIT)
  ).set_xlabel('bits', loc='right')


def bits_right(axes) -> None:
  """Adds a second axis, in bits, at the right."""
  axes.secondary_yaxis(
    'right', (lambda y: y / NATS_PER_BIT, lambda y: y * NATS_PER_BIT)
  ).set_ylabel('bits')


@styled
def save(figure: Figure, folder: pathlib.Path, name: str) -> list[pathlib.Path]:
  """Writes a figure as PDF and PNG; the same figure gives the same bytes.

  Returns:
    The paths of both files.
  """
  paths = [folder / f'{name}.pdf', folder / f'{name}.png']
  nothing = dict.fromkeys(('Creator', 'Producer', 'CreationDate'))
  figure.savefig(paths[0], metadata=nothing)
  figure.savefig(paths[1], metadata={'Software': None}, dpi=220)
  return paths
