"""Settings made before TensorFlow's import; the user's own settings stay."""

import json
import os
import pathlib
import subprocess
import sys
import types

import pytest

from vae_info import machine

ROOT = pathlib.Path(__file__).parents[1]


def environment_after(code, **variables):
  """Environment and standard error of a process that has run `code`."""
  names = (machine.ONEDNN, *machine.THREADS)
  environment = {k: v for k, v in os.environ.items() if k not in names}
  process = subprocess.run(
    [
      sys.executable,
      '-c',
      f'{code}; import os, json; print(json.dumps(dict(os.environ)))',
    ],
    cwd=ROOT,
    env={**environment, **variables},
    capture_output=True,
    text=True,
    check=True,
  )
  return json.loads(process.stdout), process.stderr


def test_onednn_is_on_by_default():
  environment, errors = environment_after('import vae_info')
  assert environment[machine.ONEDNN] == '1'
  assert errors == ''


def test_what_the_user_has_set_stays():
  environment, _ = environment_after('import vae_info', **{machine.ONEDNN: '0'})
  assert environment[machine.ONEDNN] == '0'


def test_a_tensorflow_that_was_there_first_is_warned_of():
  fake = 'import sys, types; sys.modules["tensorflow"] = types.ModuleType("x")'
  environment, errors = environment_after(f'{fake}; import vae_info')
  assert machine.ONEDNN not in environment
  assert 'import vae_info first, or set TF_ENABLE_ONEDNN_OPTS=1' in errors
  # With the setting there is no warning.
  _, errors = environment_after(
    f'{fake}; import vae_info', **{machine.ONEDNN: '1'}
  )
  assert errors == ''


def test_a_container_with_a_quota_has_fewer_threads(monkeypatch):
  for name in machine.THREADS:
    monkeypatch.delenv(name, raising=False)
  monkeypatch.delitem(sys.modules, 'tensorflow', raising=False)
  monkeypatch.setattr(machine, 'cores', lambda: 8)
  monkeypatch.setattr(machine, 'cpu_quota', lambda: 2)
  machine.prepare()
  assert [os.environ[name] for name in machine.THREADS] == ['2', '2']


@pytest.mark.parametrize(
  'text, cores',
  [
    ('200000 100000', 2),
    ('150000 100000', 2),
    ('max 100000', None),
    ('', None),
  ],
)
def test_quotas_are_whole_cores(monkeypatch, tmp_path, text, cores):
  path = tmp_path / 'cpu.max'
  path.write_text(text)
  monkeypatch.setattr(machine.pathlib, 'Path', lambda name: path)
  assert machine.cpu_quota() == cores


@pytest.mark.parametrize(
  'first, cores, shares',
  [('', '3', '3 3'), ('', '40', '16 16'), ('tf.zeros([])', '3', '1 1')],
)
def test_each_core_has_a_share_unless_tensorflow_has_started(
  first, cores, shares
):
  code = f"""
import tensorflow as tf
from vae_info import devices
{first}
print(devices.share_cores(), devices.share_cores())
"""
  process = subprocess.run(
    [sys.executable, '-c', code],
    cwd=ROOT,
    env={**os.environ, machine.THREADS[0]: cores, 'TF_CPP_MIN_LOG_LEVEL': '3'},
    capture_output=True,
    text=True,
    check=True,
  )
  assert process.stdout.strip() == shares


@pytest.mark.parametrize(
  'flags, onednn, devices, fast',
  [
    ('fpu avx2', True, ['CPU'], False),
    ('fpu avx2 avx512f', True, ['CPU'], True),
    ('fpu avx2 avx512f', False, ['CPU'], False),
    ('fpu avx2', True, ['CPU', 'GPU'], True),
    (None, True, ['CPU'], False),  # macOS has no /proc.
  ],
)
def test_where_products_of_bfloat16_are_fast(
  monkeypatch, tmp_path, flags, onednn, devices, fast
):
  import tensorflow as tf

  path = tmp_path / 'cpuinfo'
  if flags is not None:
    path.write_text(f'flags : {flags}\n')
  monkeypatch.setattr(machine.pathlib, 'Path', lambda name: path)
  found = [types.SimpleNamespace(device_type=kind) for kind in devices]
  monkeypatch.setattr(tf.config, 'get_visible_devices', lambda: found)
  monkeypatch.setattr(machine, '_has_onednn', lambda: onednn)
  machine.multiplies_bfloat16.cache_clear()
  try:
    assert machine.multiplies_bfloat16() is fast
  finally:
    machine.multiplies_bfloat16.cache_clear()
