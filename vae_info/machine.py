"""Settings that make TensorFlow fast on this machine's CPU.

`import vae_info` calls `prepare` before TensorFlow is imported. It sets:

- oneDNN. TensorFlow itself turns these kernels on only if the CPU has AVX-512
  VNNI or the like. On a CPU with AVX2 they are faster too.
- Memory. Each step frees large buffers and takes them again. By default glibc
  returns them to the system, which must then fill new pages with zeros.
- Threads. A container's quota may allow fewer cores than are listed. Then there
  is one thread for each core of the quota.

What the user has set stays. Results are the same bit for bit only with the same
settings; `report` names some.
"""

import ctypes
import functools
import math
import os
import pathlib
import sys
import warnings

ONEDNN = 'TF_ENABLE_ONEDNN_OPTS'
THREADS = ('TF_NUM_INTRAOP_THREADS', 'OMP_NUM_THREADS')
# From glibc's malloc.h: variable -> the parameter of mallopt, and its value.
_MALLOC = {
  'MALLOC_TRIM_THRESHOLD_': (-1, 2**31 - 1),
  'MALLOC_TOP_PAD_': (-2, 64 * 2**20),
  'MALLOC_MMAP_THRESHOLD_': (-3, 32 * 2**20),  # glibc takes no larger one.
}


def prepare() -> None:
  """Sets what must be set before TensorFlow is imported.

  If TensorFlow was imported before, it warns and sets no variables.
  """
  keep_memory()
  quota = cpu_quota()
  wanted = {ONEDNN: '1'}
  if quota is not None and quota < cores():
    wanted |= dict.fromkeys(THREADS, str(quota))
  missing = {k: v for k, v in wanted.items() if k not in os.environ}
  if missing and 'tensorflow' in sys.modules:
    settings = ' '.join(f'{name}={value}' for name, value in missing.items())
    warnings.warn(
      'tensorflow was imported before vae_info, so it may be slower: '
      f'import vae_info first, or set {settings}',
      stacklevel=3,
    )
    return
  os.environ.update(missing)


def keep_memory() -> bool:
  """Makes glibc keep freed memory. Returns False where there is no glibc."""
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (AttributeError, OSError):
    return False
  for variable, (parameter, value) in _MALLOC.items():
    if variable not in os.environ:
      mallopt(parameter, value)
  return True


def cores() -> int:
  """The cores that this process may use. macOS tells only how many exist."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def cpu_quota() -> int | None:
  """Cores of a container's quota, rounded up; None if there is no quota."""
  try:
    quota, period = pathlib.Path('/sys/fs/cgroup/cpu.max').read_text().split()
    return max(1, math.ceil(int(quota) / int(period)))
  except (OSError, ValueError):
    return None


def report() -> str:
  """What is in use, for instance 'AVX2, oneDNN'. Imports TensorFlow."""
  parts = [instructions()]
  if _has_onednn():
    parts.append('oneDNN')
  return ', '.join(filter(None, parts))


@functools.cache
def multiplies_bfloat16() -> bool:
  """Whether TensorFlow has fast products of bfloat16 on this machine.

  Of CPUs, oneDNN has them for those with AVX-512. Elsewhere the gradients of a
  convolution take ten times as long as in float32, and more. Imports
  TensorFlow, to look for other devices.
  """
  import tensorflow as tf

  kinds = {device.device_type for device in tf.config.get_visible_devices()}
  return kinds != {'CPU'} or (_has_onednn() and 'avx512f' in _cpu_flags())


def _has_onednn() -> bool:
  # TensorFlow has no public name for this.
  from tensorflow.python.util import _pywrap_util_port

  return _pywrap_util_port.IsMklEnabled()


def _cpu_flags() -> list[str]:
  try:
    return pathlib.Path('/proc/cpuinfo').read_text().split()
  except OSError:
    return []


def instructions() -> str:
  """The widest vector instructions of this CPU; empty if unknown."""
  flags = _cpu_flags()
  for flag, name in (
    ('avx512_bf16', 'AVX-512 with bfloat16'),
    ('avx512f', 'AVX-512'),
    ('avx2', 'AVX2'),
  ):
    if flag in flags:
      return name
  return ''
