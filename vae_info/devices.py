"""Where a training runs: strategies of `tf.distribute`."""

import os

import tensorflow as tf

from vae_info import machine
from vae_info.errors import UserError

MOST_SHARES = (
  16  # Each is a copy of the step, which takes half a second to make.
)


def get_strategy(name: str, tpu: str = '') -> tf.distribute.Strategy:
  """The `tf.distribute` strategy of a name.

  Args:
    name: `one_device`, `mirrored`, `tpu` or `auto`. The last is a TPU if `tpu`
      names one, all GPUs if there are several, and one device otherwise.
    tpu: Name or address of a TPU.

  Raises:
    UserError: No TPU is found, or the strategy does not use the one named.
  """
  if name == 'tpu' or (name == 'auto' and tpu):
    return _tpu_strategy(tpu)
  if tpu:
    raise UserError(f'--tpu={tpu} is not for --strategy={name}; leave one out')
  gpus = len(tf.config.list_logical_devices('GPU'))
  if name == 'mirrored' or (name == 'auto' and gpus > 1):
    kind = 'GPU' if gpus else 'CPU'
    devices = tf.config.list_logical_devices(kind)
    # Gradients are summed on one device, which is fast enough for small models.
    # Collectives inside a loop were seen to meet in different orders.
    return tf.distribute.MirroredStrategy(
      [device.name for device in devices],
      cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
  return tf.distribute.OneDeviceStrategy('/GPU:0' if gpus else '/CPU:0')


def _tpu_strategy(tpu: str) -> tf.distribute.Strategy:
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
  except (ValueError, tf.errors.OpError) as error:
    raise UserError(
      f'no TPU at {tpu or "local"!r}; on a TPU machine this means that '
      'plain tensorflow is installed over tensorflow-tpu '
      f'({str(error).strip().splitlines()[0]})'
    ) from error
  return tf.distribute.TPUStrategy(resolver)


def share_cores() -> int:
  """Prepares TensorFlow for steps whose shares run side by side.

  Each operation then has one thread, and each core has a share of the step. For
  small networks that is faster than several threads for each operation.

  Returns:
    `Execution.shards`: the number of cores, at most `MOST_SHARES`. It is 1 with
    a GPU or a TPU, or if TensorFlow has already started with several threads
    for each operation.
  """
  threads = int(os.environ.get(machine.THREADS[0], 0))
  cores = threads or machine.cores()
  try:
    tf.config.threading.set_inter_op_parallelism_threads(cores)
    tf.config.threading.set_intra_op_parallelism_threads(1)
  except RuntimeError:  # TensorFlow has started, so its threads stay.
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
      return 1
    cores = max(1, tf.config.threading.get_inter_op_parallelism_threads())
  accelerators = [tf.config.list_physical_devices(k) for k in ('GPU', 'TPU')]
  return 1 if any(accelerators) else min(cores, MOST_SHARES)
