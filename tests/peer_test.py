"""The benchmark's peer, as far as it goes without torch."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import benchmark, peer, torch_peer
from vae_info.errors import UserError


@pytest.mark.parametrize('decoder', ['deconvolutional', 'autoregressive'])
def test_a_description_has_every_weight_and_survives_json(tmp_path, decoder):
  step = benchmark.Step(decoder=decoder)
  path = tmp_path / 'arrays.npz'
  spec = peer.describe(step, str(path), compiled=False)
  assert torch_peer.Spec.parse(json.dumps(dataclasses.asdict(spec))) == spec
  assert bool(spec.causal) == (decoder == 'autoregressive')
  arrays = np.load(path)
  weights = [name for name in arrays if name.rstrip('b').isdigit()]
  variables = step.model.trainable_variables
  assert len(weights) == len(variables)
  assert sum(arrays[name].size for name in weights) == sum(
    tf.size(v).numpy() for v in variables
  )


def test_a_spec_that_lacks_an_attribute_is_refused():
  with pytest.raises(ValueError, match='the difference is beta'):
    names = [field.name for field in dataclasses.fields(torch_peer.Spec)]
    names.remove('beta')
    torch_peer.Spec.parse(json.dumps(dict.fromkeys(names)))


def test_a_python_without_torch_is_refused(tmp_path):
  with pytest.raises(UserError, match='must be a Python, got'):
    peer.check(str(tmp_path / 'none'))
  # -S leaves out what is installed.
  python = tmp_path / 'python'
  python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
  python.chmod(0o755)
  with pytest.raises(UserError, match=r'pip install torch==2\.13\.0 numpy'):
    peer.check(str(python))
