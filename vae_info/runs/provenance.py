"""The version and the device that produced a result."""

import pathlib
import platform
import subprocess

import tensorflow as tf

import vae_info
from vae_info import machine


def version() -> str:
  """The package's version; in a Git checkout, with the commit."""
  root = pathlib.Path(vae_info.__file__).parents[1]
  if not (root / '.git').exists():  # In another project's checkout, perhaps.
    return vae_info.__version__
  try:
    described = subprocess.run(
      ['git', 'describe', '--always', '--dirty', '--abbrev=10'],
      cwd=root,
      capture_output=True,
      text=True,
      check=True,
      timeout=10,
    ).stdout.strip()
  except (OSError, subprocess.SubprocessError):
    return vae_info.__version__
  return f'{vae_info.__version__}+{described}'


def device() -> str:
  """The device in use, for instance 'CPU x2 (AMD EPYC; AVX2, oneDNN)'."""
  for kind in ('TPU', 'GPU'):
    devices = tf.config.list_logical_devices(kind)
    if devices:
      details = tf.config.list_physical_devices(kind)
      name = tf.config.experimental.get_device_details(details[0]).get(
        'device_name', ''
      )
      return f'{kind} x{len(devices)} ({name})'
  cpus = machine.cores()
  return f'CPU x{cpus} ({_cpu_name()}; {machine.report()})'


def _cpu_name() -> str:
  info = pathlib.Path('/proc/cpuinfo')  # Linux only.
  for line in info.read_text().split('\n') if info.exists() else ():
    if line.startswith('model name'):
      return line.partition(':')[2].strip()
  return platform.processor() or platform.machine()
