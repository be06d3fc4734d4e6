"""Measures the speed of the code, as ratios of times on one machine.

    python -m tests.benchmark [--json=FILE] [--only=NAME] [--peer=PYTHON]

Both times of a ratio come from the same call. Useful floating-point operations
are those of the matrix products and convolutions in a traced step, counted from
their shapes. Their speed is compared with that of a large float32 product.
Nothing here is a test: times depend on the machine and on what else it does.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags

from tests import benchmark_processes, peer
from vae_info import cli

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string('json', None, 'File to write the table to, as JSON.')
  flags.DEFINE_string('only', None, 'Run the parts whose name contains this.')
  flags.DEFINE_string(
    'peer',
    None,
    'A Python that has torch. The only part is then the comparison of training '
    'steps with the same ones in PyTorch.',
  )


def seconds(function, repeats: int = 5) -> float:
  """The shortest of several calls, seconds; a first call compiles it."""
  function()
  times = []
  for _ in range(repeats):
    started = time.perf_counter()
    function()
    times.append(time.perf_counter() - started)
  return min(times)


def peak() -> float:
  """Floating-point operations per second of 4096 x 4096 float32 products.

  Each core has a product of its own, as each has its share of a step.
  """
  import tensorflow as tf

  from vae_info.devices import share_cores

  size, cores = 4096, share_cores()
  factors = [
    tf.random.stateless_normal([size] * 2, [0, i]) for i in range(cores)
  ]

  @tf.function
  def products():
    return tf.add_n([tf.reduce_sum(tf.matmul(a, a)) for a in factors])

  return 2 * cores * size**3 / seconds(lambda: products().numpy())


def count_operations(graph) -> float:
  """Floating-point operations of a graph's matrix products and convolutions.

  The graph must have static shapes.
  """
  total = 0
  for op in graph.get_operations():
    if op.type == 'MatMul':
      inner = op.inputs[0].shape[0 if op.get_attr('transpose_a') else 1]
      total += 2 * inner * op.outputs[0].shape.num_elements()
    elif op.type == 'Conv2D':
      kernel, image = op.inputs[1].shape, op.outputs[0].shape
      total += 2 * np.prod(kernel) * np.prod(image[:3])
    elif op.type == 'Conv2DBackpropInput':
      kernel, image = op.inputs[1].shape, op.inputs[2].shape
      total += 2 * np.prod(kernel) * np.prod(image[:3])
    elif op.type == 'Conv2DBackpropFilter':
      kernel, image = op.outputs[0].shape, op.inputs[2].shape
      total += 2 * np.prod(kernel) * np.prod(image[:3])
  return float(total)


class Step:
  """The training step of a config, as `train` runs it."""

  CALLS = 10  # Steps in one call of the compiled function.

  def __init__(self, **kwargs):
    import tensorflow as tf

    from vae_info import datasets, loop, steps
    from vae_info.config import Config
    from vae_info.devices import share_cores
    from vae_info.networks import model as models

    self.config = Config(steps=10_000, **kwargs)
    largest = np.uint8(self.config.levels - 1)  # 1, or 255.
    self.images = largest * datasets.load('static_mnist').train.images[:5000]
    data = self.images
    schedule = loop.Schedule.of(self.config, len(data))
    execution = loop.Execution(shards=share_cores())
    with execution.strategy.scope():
      self.model = models.build(self.config, data)
      optimizer = loop.make_optimizer(schedule, self.model.trainable_variables)
      images = tf.Variable(data, trainable=False)
    self._steps = steps.make_steps(
      self.config, self.model, optimizer, images, execution
    )
    self._indices = tf.constant(schedule.order(0, self.CALLS))
    self._batch = tf.constant(data[: self.config.batch_size], tf.float32)

  def call(self) -> None:
    """Takes `CALLS` steps."""
    import tensorflow as tf

    self._steps(tf.constant(0), self._indices)['rate'].numpy()

  def seconds(self) -> float:
    return seconds(self.call) / self.CALLS

  def call_seconds(self) -> float:
    """How long one step takes in a single call, seconds."""
    started = time.perf_counter()
    self.call()
    return (time.perf_counter() - started) / self.CALLS

  def operations(self) -> float:
    import tensorflow as tf

    from vae_info import objectives

    @tf.function
    def gradients(batch):
      with tf.GradientTape() as tape:
        encoding = self.model.encoder(batch)
        codes = encoding.sample(seed=[0, 0])
        rates, distortions = objectives.rate_and_distortion(
          self.model, batch, encoding, codes
        )
        loss = objectives.loss(rates, distortions, self.config.beta)
      return tape.gradient(loss, self.model.trainable_variables)

    return count_operations(gradients.get_concrete_function(self._batch).graph)


def utilization():
  """Compares training steps with the float32 product."""
  for architecture, goal in (('compact', 0.6), ('paper', 0.8)):
    for precision in ('float32', 'bfloat16'):
      step = Step(architecture=architecture, precision=precision)
      took, before, after = step.seconds(), peak(), peak()
      share = step.operations() / took / max(before, after)
      yield (
        f'deconvolutional {architecture} {precision}: operations a second '
        'over those of a float32 product',
        share,
        f'>= {goal}',
        f'{1e3 * took:.1f} ms, {step.operations() / 1e9:.1f} GFLOP a step, '
        f'product {max(before, after) / 1e9:.0f} GFLOP/s',
      )


def autoregressive():
  """Compares the autoregressive step with the deconvolutional one."""
  for precision in ('float32', 'bfloat16'):
    one = Step(precision=precision).seconds()
    other = Step(decoder='autoregressive', precision=precision).seconds()
    yield (
      f'autoregressive step over deconvolutional step, compact {precision}',
      other / one,
      '<= 3',
      f'{1e3 * other:.1f} ms over {1e3 * one:.1f} ms',
    )


def supervised():
  """Compares bfloat16 with float32 in gradients of the supervised network."""
  for depth in (32, 128):
    one, other = (
      seconds(_gradients(depth, precision), 3)
      for precision in ('float32', 'bfloat16')
    )
    yield (
      f'gradients in bfloat16 over those in float32, supervised, {depth} '
      'channels',
      other / one,
      '',
      f'{1e3 * other:.0f} ms over {1e3 * one:.0f} ms',
    )


def _gradients(depth, precision):
  """A function that computes them for a batch of 100."""
  import tensorflow as tf

  from vae_info import datasets
  from vae_info.baselines.config import BaselineConfig
  from vae_info.baselines.supervised import Network

  data = datasets.load('static_mnist')
  config = BaselineConfig(
    baseline='supervised_complex',
    dataset='static_mnist',
    task='digit',
    depth=depth,
  )
  network = Network(config, data.image_shape, 10)
  images = tf.constant(data.train.images[:100], tf.float32)
  labels = tf.constant(data.train.labels['digit'][:100])

  @tf.function
  def gradients():
    with tf.GradientTape() as tape:
      logits = network.logits(images, tf.constant([0, 0]), precision)
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tape.gradient(loss, network.trainable_variables)

  return lambda: gradients()[0].numpy()


def grey():
  """Compares the step of 8-bit images with that of binary ones."""
  for decoder in ('deconvolutional', 'autoregressive'):
    one = Step(decoder=decoder)
    other = Step(decoder=decoder, dataset='tfds:mnist', binarization='none')
    # Alternates, so that slow changes in the machine's load affect both.
    times = [(one.seconds(), other.seconds()) for _ in range(3)]
    one, other = np.median(times, axis=0)
    yield (
      f'step of grey images over that of binary ones, compact {decoder}',
      other / one,
      '<= 2',
      f'{1e3 * other:.1f} ms over {1e3 * one:.1f} ms',
    )


def ranges():
  """Compares the step of a multi-beta model with that for one beta."""
  for family, goal in (
    ({}, 1.15),
    ({'marginal': 'maf'}, 1.15),
    ({'marginal': 'vampprior'}, 1.5),
    ({'decoder': 'autoregressive'}, 1.15),
  ):
    one = Step(precision='bfloat16', **family)
    other = Step(precision='bfloat16', beta='0.1:10', **family)
    # Alternates, so that slow changes in the machine's load affect both.
    times = [(one.seconds(), other.seconds()) for _ in range(3)]
    one, other = np.median(times, axis=0)
    parts = ' '.join(family.values()) or 'deconvolutional gaussian'
    yield (
      f'step of a range of betas over that of one, compact bfloat16, {parts}',
      other / one,
      f'<= {goal}',
      f'{1e3 * other:.1f} ms over {1e3 * one:.1f} ms',
    )


def sampling():
  """Compares cached sampling with one full pass for each position."""
  import tensorflow as tf

  from vae_info.networks.autoregressive import sample_by_full_passes

  decoder = Step(decoder='autoregressive').model.decoder
  network = decoder.network.pixels
  codes = tf.random.stateless_normal([64, 64], [0, 0])
  context = decoder.network.context(codes)
  uniforms = tf.random.stateless_uniform([64, 7, 7, 4], [0, 1])
  cached = tf.function(network.sample)
  naive = tf.function(sample_by_full_passes)
  fast = seconds(lambda: cached(context, uniforms).numpy())
  slow = seconds(lambda: naive(network, context, uniforms).numpy(), 2)
  yield (
    'cached sampling of 64 images, times faster than full passes',
    slow / fast,
    '>= 20',
    f'{fast:.3f} s against {slow:.2f} s',
  )


def classifier():
  """Compares `classifiers.fit` with `tf_keras.Model.fit`, per epoch."""
  import tensorflow as tf
  import tensorflow_probability as tfp
  import tf_keras

  from vae_info.evaluation import classifiers

  tfd = tfp.distributions
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 10, 50_000).astype(np.int32)
  mean = tf.constant(rng.normal(size=[50_000, 64]), tf.float32)
  encoding = tfd.Independent(tfd.Normal(mean, tf.ones_like(mean)), 1)

  @tf.function
  def draw(epoch):
    return encoding.sample(seed=tf.stack([0, epoch]))

  fresh = lambda epoch: draw(tf.constant(epoch))  # noqa: E731
  for size in (32, 50, 64, 256):
    times = []
    for epochs in (2, 12):
      settings = classifiers.Settings(epochs=epochs, batch_size=size)
      network = classifiers.Mlp(64, 10, (200, 200), rng)
      started = time.perf_counter()
      examples = classifiers.Examples(fresh, labels, 64, 10)
      classifiers.fit(network, examples, settings)
      times.append(time.perf_counter() - started)
    ours = (times[1] - times[0]) / 10
    compiling = times[0] - 2 * ours
    dense = tf_keras.layers.Dense
    keras = tf_keras.Sequential(
      [dense(200, 'elu'), dense(200, 'elu'), dense(10)]
    )
    keras.compile(
      tf_keras.optimizers.Adam(1e-4),
      tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    theirs = seconds(
      lambda keras=keras, size=size: keras.fit(
        fresh(0), labels, batch_size=size, verbose=0
      ),
      2,
    )
    default = classifiers.Settings().batch_size == size
    note = ' (the default)' if default else ''
    yield (
      f'classifier, batch {size}{note}: times faster than Keras fit',
      theirs / ours,
      '>= 5',
      f'{ours:.3f} s against {theirs:.3f} s an epoch',
    )
    yield (
      f'classifier, batch {size}{note}: seconds for 100 epochs',
      100 * ours + compiling,
      '<= 10',
      f'of which {compiling:.1f} s compiling',
    )


def startup():
  """Measures the time from starting `train` to the end of its first step."""
  with tempfile.TemporaryDirectory() as folder:
    started = time.perf_counter()
    process = subprocess.Popen(
      [sys.executable, '-m', 'vae_info.train', f'--run={folder}/run']
      + ['--steps=100000', '--steps_per_call=1', '--checkpoint_minutes=0'],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    for line in process.stderr:
      if line.startswith('step 1/'):
        break
    else:
      raise RuntimeError('train ended before its first step')
    took = time.perf_counter() - started
    process.kill()
    process.communicate()
  yield (
    'seconds from starting train to the checkpoint after its first step',
    took,
    '<= 5',
    '',
  )


PARTS = {
  'startup': startup,
  'utilization': utilization,
  'autoregressive': autoregressive,
  'supervised': supervised,
  'grey': grey,
  'ranges': ranges,
  'classifier': classifier,
  'sampling': sampling,
  'settings': benchmark_processes.settings,
  'job': benchmark_processes.job,
  'bounds': benchmark_processes.bounds,
}


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  rows = []
  print(f'{"value":>8}  {"goal":8}what')
  parts = PARTS
  if FLAGS.peer:
    peer.check(FLAGS.peer)
    cli.import_tensorflow()
    parts = {'peer': lambda: peer.compare(FLAGS.peer, Step)}
  for part in cli.parts_named(parts, FLAGS.only):
    for what, value, goal, details in part():
      print(f'{value:8.2f}  {goal:8}{what}  [{details}]', flush=True)
      rows.append(
        {'what': what, 'value': value, 'goal': goal, 'details': details}
      )
  if FLAGS.json:
    from vae_info.runs import provenance

    content = {
      'device': provenance.device(),
      'version': provenance.version(),
      'rows': rows,
    }
    pathlib.Path(FLAGS.json).write_text(json.dumps(content, indent=2) + '\n')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
