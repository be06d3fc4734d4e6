"""Stored classifiers of a run: read back whole, or fitted again."""

import json

import numpy as np
import tensorflow as tf

from vae_info.evaluation import stored
from vae_info.evaluation.classifiers import Mlp, Settings
from vae_info.evaluation.stored import Fitted


def test_saved_and_loaded(tmp_path, caplog):
  settings = Settings((8,), epochs=1)
  classifier = Mlp(2, 2, (8,), np.random.default_rng(1))
  stored.save(
    tmp_path, Fitted(classifier, settings), {'step': 5, 'tasks': ['a']}
  )
  again = stored.load(tmp_path, 2, {'a': 2}, step=5)
  assert again.settings == settings
  codes = tf.ones([3, 2])
  np.testing.assert_array_equal(
    again.classifier.logits(codes), classifier.logits(codes)
  )
  assert stored.load(tmp_path, 2, {'a': 2}, step=6) is None
  # As many outputs, but of other tasks.
  assert stored.load(tmp_path, 2, {'b': 2}, step=5) is None
  assert stored.load(tmp_path / 'none', 2, {'a': 2}, step=5) is None
  # Damage counts as absence, and is reported.
  (tmp_path / 'weights.index').write_bytes(b'')
  assert stored.load(tmp_path, 2, {'a': 2}, step=5) is None
  assert 'is damaged' in caplog.text
  (tmp_path / 'classifier.json').write_text(json.dumps({'step': 5}))
  assert stored.load(tmp_path, 2, {'a': 2}, step=5) is None
