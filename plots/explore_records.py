"""The results as the interactive page stores and words them; see `explore`."""

from plots import style
from plots.baseline_lines import CLUSTERS
from plots.flow_lines import FLOWS
from plots.label_distortion import BASELINES
from plots.panels import Panel
from plots.table import Row

# Baselines that have a rate, which are ticks, and their names.
TICKS = {
  'pca': 'PCA',
  'pca_water_filled': 'PCA, water-filled',
  'kmeans': 'k-means',
  'kmeans_deskewed': 'k-means, deskewed',
  'clusters': 'clusters of codes',
}
NAMES = {method: name for method, (name, _) in BASELINES.items()} | TICKS
TOOLTIP = {  # Column of `record` -> its name in the tooltip.
  'run': 'run',
  'family': 'family',
  'beta_text': 'β',
  'rate_text': 'R',
  'distortion_text': 'D',
  'label_distortion_text': 'C',
  'least_text': 'least C',
  'information_text': 'I(X;Z) between',
  'label_information_text': 'I(Z;Y) between',
  'accuracy_text': 'accuracy',
  'preference_text': 'label preference',
  'classifier': 'C by',
}


def record(row: Row, panel: str) -> dict:
  """A row as the page stores it: numbers to draw, and texts to show.

  Args:
    row: The result.
    panel: Title of the panel that shows it.
  """
  line, family = names(row)
  beta = '' if row.beta is None else f'{row.beta:g}'
  if row.beta_trained:
    beta += f' (trained over {row.training})'
  accuracy, preference = row.label_accuracy, row.label_preference
  return {
    'panel': panel,
    'is': row.method,
    'line': line,
    'run': row.run,
    'encoder': row.encoder,
    'decoder': row.decoder,
    'marginal': row.marginal,
    'ranged': bool(row.beta_trained),
    'beta': row.beta,
    'rate': row.rate,
    'distortion': row.distortion,
    'label_distortion': row.label_distortion,
    'family': family,
    'beta_text': beta or '–',
    'rate_text': with_error(row, 'rate'),
    'distortion_text': with_error(row, 'distortion'),
    'label_distortion_text': with_error(row, 'label_distortion'),
    'least_text': with_error(row, 'label_distortion_least'),
    'information_text': between(row, 'information'),
    'label_information_text': between(row, 'label_information'),
    'accuracy_text': '–' if accuracy is None else f'{100 * accuracy:.2f} %',
    'preference_text': '–' if preference is None else f'{preference:.2f}',
    'classifier': row.classifier,
  }


def names(row: Row) -> tuple[str, str]:
  """The name of a row's line, and all that is known of its family, as texts."""
  if row.method == 'vae':
    family = style.family_name(row.decoder, row.marginal)
    family += f'; {row.encoder} encoder'
    if row.augmentation:
      family += f'; {row.augmentation} augmentation'
    return style.marginal_look(row.marginal).name, family
  if row.method == 'flow':
    name = FLOWS.get(row.variant, (f'flow, {row.variant}',))[0]
    return name, name
  name = NAMES.get(row.method, row.method)
  if row.method in CLUSTERS:
    way = f' ({row.variant})' if row.variant else ''
    return name, f'{name}, {row.latent_size:g} clusters{way}'
  if row.noise is not None:
    return (
      name,
      f'{name}, {row.latent_size:g} dimensions, noise {row.noise:.3g}',
    )
  return name, name


def with_error(row: Row, name: str) -> str:
  """A column with its standard error, as text, in nats and in bits."""
  value, error = getattr(row, name), getattr(row, f'{name}_stderr')
  if value is None:
    return '–'
  spread = '' if error is None else f' ± {error:.3f}'
  return f'{value:.3f}{spread} nats ({value / style.NATS_PER_BIT:.3f} bits)'


def between(row: Row, name: str) -> str:
  """The two bounds NAME_lower and NAME_upper, as text, in nats."""
  ends = [getattr(row, f'{name}_{end}') for end in ('lower', 'upper')]
  if ends == [None, None]:
    return '–'
  texts = ['–' if end is None else f'{end:.3f}' for end in ends]
  return f'{texts[0]} and {texts[1]} nats'


def discard(panel: Panel) -> list[dict]:
  """The two ends of the line of random discarding; none without H(X)."""
  known = panel.input_entropy
  if known is None:
    return []
  ends = ((0, known, panel.label_entropy), (known, 0, 0))
  return [
    {
      'panel': panel.title,
      'is': 'discard',
      'line': 'random discard',
      'rate': rate,
      'distortion': distortion,
      'label_distortion': loss,
    }
    for rate, distortion, loss in ends
  ]
