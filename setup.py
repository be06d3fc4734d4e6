"""Installs vae_info; `constraints.txt` pins the versions that were tested."""

import setuptools

# vl-convert brings the scripts that the page embeds to work offline.
EXPLORE = ['altair>=6', 'vl-convert-python>=1.8']
# Only measure_digits needs it; what it makes is bundled.
ATTRIBUTES = ['scikit-image>=0.25']
LAUNCH = ['ray[default]>=2.50']

setuptools.setup(
  name='vae_info',
  version='0.1.0',
  description='How much label information survives in the codes of a '
  'beta-VAE: rate, distortion and label distortion, measured.',
  python_requires='>=3.11,<3.14',
  packages=setuptools.find_packages(
    include=['vae_info', 'vae_info.*', 'launch', 'launch.*', 'plots']
  ),
  package_data={'vae_info.datasets': ['*.npz']},
  install_requires=[
    # Not tensorflow-cpu: tf-keras requires plain `tensorflow`, and both would
    # install into the same folder.
    'tensorflow>=2.21,<2.22',
    'tf-keras>=2.21,<2.22',
    'tensorflow-probability>=0.25,<0.26',
    'tensorflow-datasets>=4.9.10',
    # Imported by tensorflow-datasets 4.9.10, which does not declare it.
    'importlib_resources',
    # tf.summary fails without it, but TensorFlow no longer depends on it.
    'tensorboard>=2.20',
    'absl-py>=2.1',
    'etils[epath]>=1.10',
    'matplotlib>=3.10',
    'numpy>=2.0',
    'scikit-learn>=1.5',
    'scipy>=1.13',
    'threadpoolctl>=3.5',
    'tqdm>=4.66',
  ],
  extras_require={
    # playwright does not bring a browser: it drives an installed chromium.
    'dev': [
      'pytest>=8',
      'pytest-timeout>=2.4',
      'pytest-xdist>=3.6',
      'pyrefly>=1.4',
      'ruff>=0.14',
      'dill',
      'playwright',
      *ATTRIBUTES,
      *EXPLORE,
      *LAUNCH,
    ],
    'attributes': ATTRIBUTES,
    'explore': EXPLORE,
    'launch': LAUNCH,
    'gpu': ['tensorflow[and-cuda]>=2.21,<2.22'],
  },
)
