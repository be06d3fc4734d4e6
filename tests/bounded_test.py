"""The least C and bounds of baselines' codes, without a training."""

import types

import numpy as np
import pytest

from vae_info.baselines import codes, flow_learned, flow_rows
from vae_info.baselines.config import BaselineConfig
from vae_info.baselines.flow_decoder import LearnedNoise
from vae_info.baselines.job import Job
from vae_info.evaluation import classifiers, least
from vae_info.evaluation.classifiers import Examples


def test_codes_of_a_flow_have_the_least_c_and_bounds(tiny, monkeypatch):
  monkeypatch.setattr(least, 'SIZES', ())
  config = BaselineConfig('static_mnist', 'quadrant', 'flow')
  job = Job(config, tiny, types.SimpleNamespace(), types.SimpleNamespace())
  rng = np.random.default_rng(0)
  # One dimension is the label; two are noise.
  means = {}
  for name in flow_learned.SPLITS:
    labels = getattr(tiny, name).labels['quadrant']
    noise = rng.standard_normal([len(labels), 3])
    noise[:, 0] = 20.0 * (labels - 1.5)
    means[name] = noise.astype(np.float32)
  model = LearnedNoise(np.full([1, 3], 0.5), (8, 8, 1), 0)
  examples = Examples(
    flow_learned._make_draw(model, means['train'], 0, 0, ()),
    tiny.train.labels['quadrant'],
    3,
    4,
  )
  classifier = classifiers.new(examples, codes.settings(config))
  columns = flow_learned._bounds(job, model, means, 0, (examples, classifier))
  assert columns['label_distortion_least'] < 0.3
  assert 1.0 < columns['information_upper'] < 9.0
  assert columns['information_lower'] <= columns['information_upper'] + 0.5
  # Without a density there is the least C alone.
  known = {name: means[name] for name in ('validation', 'test')}
  columns = flow_rows.least_columns(job, examples, classifier, known)
  assert columns['label_distortion_least'] < 0.3
  entropy = job.entropies['label_entropy']
  assert columns['label_information_lower'] == pytest.approx(
    entropy - columns['label_distortion_least']
  )
  assert 'information_upper' not in columns
