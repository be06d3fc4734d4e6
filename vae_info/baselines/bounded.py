"""The least C of a baseline's codes, and bounds where p(z|x) is Gaussian.

They are made as for a beta-VAE, so differences of the least C are fair. Where a
network sees the image itself, the code is the network's last hidden layer, and
the network is part of the mixture. A task whose classifier is given more than
the code has none of these columns.
"""

import tensorflow as tf

from vae_info.baselines import codes
from vae_info.baselines.job import Job
from vae_info.evaluation import bounds, estimates, least, sandwich
from vae_info.evaluation.bounds import Encodings, Information
from vae_info.evaluation.classifiers import Mlp
from vae_info.evaluation.least import Labelled
from vae_info.evaluation.options import Settings
from vae_info.evaluation.stored import Fitted

# The splits, and what their codes are drawn for.
PURPOSES = {
  'train': 'codes of bounds',
  'validation': 'validation codes',
  'test': 'evaluation codes',  # The first of those that give C.
}


def columns(job: Job, encoder, classifier: Mlp) -> dict:
  """The columns of the least C and of the bounds, of test images.

  Args:
    job: Job whose task is evaluated.
    encoder: Has `parameters(images)` and `distribution(parameters)`.
    classifier: The paper's, fitted to codes of this encoder.
  """
  data, config = job.dataset, job.config
  if job.given(data.test):
    return {}
  model = codes.as_model(encoder)
  parameters = {
    name: codes.encode(encoder, getattr(data, name).images) for name in PURPOSES
  }
  drawn = {
    name: estimates.make_draw(model, parameters[name], config.seed, purpose)(0)
    for name, purpose in PURPOSES.items()
  }
  drawn = {name: values.numpy() for name, values in drawn.items()}
  labels = {name: job.labels(getattr(data, name)) for name in PURPOSES}
  rows = slice(0, bounds.ROWS)
  labelled = Labelled(
    estimates.make_draw(
      model, parameters['train'], config.seed, 'codes of larger classifiers'
    ),
    labels['train'],
    (drawn['validation'][rows], labels['validation'][rows]),
    (drawn['test'], labels['test']),
    job.num_classes,
  )
  found = _bounds(job, encoder, parameters, drawn)
  fitted = Fitted(classifier, codes.settings(config))
  smallest = sandwich.least_of(labelled, fitted, found)
  return sandwich.columns(labels['test'], smallest, found, None)


def _bounds(job, encoder, parameters, drawn) -> Information | None:
  """The bounds; None if p(z|x) is not Gaussian."""
  task, splits = job.config.task, []
  for name, values in drawn.items():
    gaussians = sandwich.gaussians(encoder.distribution(parameters[name]))
    if gaussians is None:
      return None
    labels = {task: job.labels(getattr(job.dataset, name))}
    splits.append(Encodings(gaussians, values, labels))
  classes = {task: job.num_classes}
  each = bounds.measure(*splits, num_classes=classes, seed=job.config.seed)
  return each[task]


def of_network(job: Job, network) -> dict:
  """The columns of the least C of a network on images, of test images.

  Args:
    job: Job whose task the network has learned.
    network: Has `logits(images)` and `last_hidden(images)`, `[B, units]`.
  """
  data = job.dataset
  if job.given(data.test):
    return {}
  hidden, log_probs, labels = {}, {}, {}
  for name in PURPOSES:
    split = getattr(data, name)
    some = slice(0, bounds.ROWS if name == 'validation' else None)
    labels[name] = job.labels(split)[some]
    hidden[name], log_probs[name] = _outputs(network, split.images[some])
  codes = tf.constant(hidden['train'])
  labelled = Labelled(
    lambda epoch: codes,
    labels['train'],
    (hidden['validation'], labels['validation']),
    (hidden['test'], labels['test']),
    job.num_classes,
  )
  known = {'network': (log_probs['validation'], log_probs['test'])}
  smallest = least.fit(labelled, known, Settings(seed=job.config.seed))
  return sandwich.columns(labels['test'], smallest, None, None)


def _outputs(network, images):
  """The last hidden layer `[N, units]`, and ln c(y|x) `[N, num_classes]`."""

  @tf.function(autograph=False)
  def both(batch):
    batch = tf.cast(batch, tf.float32)
    log_probs = tf.nn.log_softmax(network.logits(batch))
    return tf.concat([network.last_hidden(batch), log_probs], axis=-1)

  values = estimates.map_batches(both, 500, images)
  classes = network.head.out.kernel.shape[-1]
  return values[:, :-classes], values[:, -classes:]
