"""Where a number came from: version, machine, device."""

import pathlib
import platform
import subprocess

import tensorflow as tf

import vae_info


def version() -> str:
  """The package's version, with the commit where it runs from a checkout."""
  folder = pathlib.Path(__file__).parent
  try:
    described = subprocess.run(
      ['git', 'describe', '--always', '--dirty', '--abbrev=10'],
      cwd=folder,
      capture_output=True,
      text=True,
      check=True,
      timeout=10,
    ).stdout.strip()
  except (OSError, subprocess.SubprocessError):
    return vae_info.__version__
  return f'{vae_info.__version__}+{described}'


def device() -> str:
  """The device that computes, for instance 'CPU x2 (AMD EPYC)'."""
  for kind in ('TPU', 'GPU'):
    devices = tf.config.list_logical_devices(kind)
    if devices:
      details = tf.config.list_physical_devices(kind)
      name = tf.config.experimental.get_device_details(details[0]).get(
        'device_name', ''
      )
      return f'{kind} x{len(devices)} ({name})'
  return f'CPU x{len(_cpus())} ({_cpu_name()})'


def _cpus():
  import os

  return os.sched_getaffinity(0)


def _cpu_name() -> str:
  try:
    for line in pathlib.Path('/proc/cpuinfo').read_text().split('\n'):
      if line.startswith('model name'):
        return line.partition(':')[2].strip()
  except OSError:
    pass
  return platform.processor() or platform.machine()
