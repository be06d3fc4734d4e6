"""The examples and the code in the pages run, shortened.

The output that the notebook stores is that of a whole run.
"""

import base64
import json
import re

import matplotlib
import pytest
from commands import ROOT

from vae_info import config as configs, datasets, randomness
from vae_info.examples import minimal
from vae_info.networks import layers

NOTEBOOK = ROOT / 'vae_info' / 'examples' / 'rate_and_distortion.ipynb'


@pytest.fixture
def few_digits(monkeypatch, digits):
  """Makes the examples load a part of the bundled data."""
  monkeypatch.setattr(datasets, 'load', lambda *_, **__: digits)


def test_the_minimal_example_learns(few_digits, capsys):
  results = minimal.main(steps=100, epochs=2)
  rate, distortion, loss = (results[name].mean for name in 'RDC')
  assert rate > 1
  # If all images have the same code, D + R is about 206 at best.
  assert 79 < rate + distortion < 200
  assert 2.3 - rate < loss < 2.2
  assert f'C = {results["C"]} nats' in capsys.readouterr().out


def code_of(page, first):
  """The block of Python in a page whose first line is `first`."""
  text = (ROOT / page).read_text()
  return re.search(f'```python\n({first}\n.*?)```', text, re.DOTALL)[1]


@pytest.mark.parametrize('modulated', [False, True])
def test_the_encoder_in_the_page_of_networks_is_one(modulated):
  names = {}
  exec(code_of('vae_info/networks/README.md', 'import tensorflow as tf'), names)
  make = layers.Make(randomness.generator(0, 'test'), modulated)
  config = configs.Config(latent_size=3)
  encoder = names['LinearEncoder'](config, (8, 8, 1), make)
  if modulated:
    assert encoder.network.parts[1].modulation is not None
    return
  encoding = encoder(names['tf'].zeros([5, 8, 8, 1]))
  assert encoding.batch_shape == [5] and encoding.event_shape == [3]


@pytest.mark.slow
def test_the_code_in_the_page_of_the_library_runs(
  few_digits, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  code = code_of('vae_info/README.md', 'import pathlib')
  names = {}
  exec(code.replace('steps=100', 'steps=2'), names)
  assert names['run'].finished
  assert '(8, 64)' in capsys.readouterr().out


def code_cells():
  cells = json.loads(NOTEBOOK.read_text())['cells']
  return [cell for cell in cells if cell['cell_type'] == 'code']


@pytest.mark.slow
def test_the_notebook_runs(few_digits, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  matplotlib.use('Agg')
  text = '\n'.join(''.join(cell['source']) for cell in code_cells())
  short = re.sub('^STEPS = .*$', 'STEPS = 2', text, flags=re.MULTILINE)
  short = re.sub('^COUNT = .*$', 'COUNT = 20', short, flags=re.MULTILINE)
  assert short.count(' = 2') == 2
  names = {}
  exec(compile(short, NOTEBOOK, 'exec'), names)
  assert names['run'].finished
  rates = [rate.mean for rate in names['rates']]
  assert len(rates) == len(names['betas']) == 8
  names['plt'].close('all')


def test_the_notebook_stores_its_curve_and_pictures():
  outputs = [output for cell in code_cells() for output in cell['outputs']]
  pictures = [o['data'] for o in outputs if o['output_type'] == 'display_data']
  assert len(pictures) == 2
  for picture in pictures:
    assert base64.b64decode(picture['image/png']).startswith(b'\x89PNG')
  [printed] = [''.join(o['text']) for o in outputs if 'text' in o]
  points = re.findall(r'R = ([\d.]+) .*D = ([\d.]+) ', printed)
  assert len(points) == 8
  rates, distortions = zip(
    *(map(float, point) for point in points), strict=True
  )
  assert sorted(rates, reverse=True) == list(rates)
  assert sorted(distortions) == list(distortions)
  assert all(r + d > 79 for r, d in zip(rates, distortions, strict=True))
