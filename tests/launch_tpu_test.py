"""Files that start sweeps on TPUs: their syntax, schemas, and contents.

The schemas cover the parts in use of KubeRay's v1 RayJob and of SkyPilot 0.14's
task. A field that a schema does not name is an error.
"""

import pathlib
import re
import shlex
import subprocess
import sys

import jsonschema
import pytest
import yaml

from launch import selection, sweeps

ROOT = pathlib.Path(__file__).parents[1]
TPU = ROOT / 'launch' / 'tpu'

STRING, INTEGER, BOOLEAN = (
  {'type': kind} for kind in ('string', 'integer', 'boolean')
)
STRINGS = {'type': 'object', 'additionalProperties': STRING}


def record(required=(), **properties):
  return {
    'type': 'object',
    'required': list(required),
    'properties': properties,
    'additionalProperties': False,
  }


def several(item):
  return {'type': 'array', 'items': item, 'minItems': 1}


PORT = record(('containerPort',), containerPort=INTEGER, name=STRING)
CONTAINER = record(
  ('name', 'image', 'resources'),
  name=STRING,
  image=STRING,
  ports=several(PORT),
  resources=record(('requests', 'limits'), requests=STRINGS, limits=STRINGS),
)
POD = record(
  ('spec',),
  spec=record(
    ('containers',),
    serviceAccountName=STRING,
    terminationGracePeriodSeconds=INTEGER,
    nodeSelector=STRINGS,
    containers=several(CONTAINER),
  ),
)
RAYJOB = record(
  ('apiVersion', 'kind', 'metadata', 'spec'),
  apiVersion={'const': 'ray.io/v1'},
  kind={'const': 'RayJob'},
  metadata=record(('name',), name=STRING),
  spec=record(
    ('entrypoint', 'rayClusterSpec'),
    entrypoint=STRING,
    shutdownAfterJobFinishes=BOOLEAN,
    ttlSecondsAfterFinished=INTEGER,
    backoffLimit=INTEGER,
    rayClusterSpec=record(
      ('headGroupSpec',),
      rayVersion=STRING,
      enableInTreeAutoscaling=BOOLEAN,
      autoscalerOptions=record(idleTimeoutSeconds=INTEGER),
      headGroupSpec=record(
        ('rayStartParams', 'template'), rayStartParams=STRINGS, template=POD
      ),
      workerGroupSpecs=several(
        record(
          ('groupName', 'template', 'minReplicas', 'maxReplicas'),
          groupName=STRING,
          replicas=INTEGER,
          minReplicas=INTEGER,
          maxReplicas=INTEGER,
          numOfHosts=INTEGER,
          rayStartParams=STRINGS,
          template=POD,
        )
      ),
    ),
  ),
)
SKY = record(
  ('resources', 'run'),
  name=STRING,
  resources=record(
    ('accelerators',),
    infra=STRING,
    accelerators=STRING,
    accelerator_args=STRINGS,
    use_spot=BOOLEAN,
    job_recovery=record(
      max_restarts_on_errors=INTEGER, recover_on_exit_codes=several(INTEGER)
    ),
  ),
  envs=STRINGS,
  workdir=STRING,
  setup=STRING,
  run=STRING,
)


def check_command(text):
  """The sweeps of a command line, if `launch.sweep` accepts its flags."""
  code = (
    'import sys; from absl import flags; from launch import sweep; '
    'sweep.define_flags(); flags.FLAGS(sys.argv); '
    'assert len(flags.FLAGS(sys.argv)) == 1; print(*flags.FLAGS.sweep)'
  )
  words = shlex.split(text.replace('\\\n', ' '))
  start = words.index('launch.sweep') + 1
  process = subprocess.run(
    [sys.executable, '-c', code, *words[start:]],
    capture_output=True,
    text=True,
    cwd=ROOT,
  )
  assert process.returncode == 0, process.stderr
  return process.stdout.strip()


def test_rayjob():
  account, job = yaml.safe_load_all((TPU / 'rayjob.yaml').read_text())
  jsonschema.validate(job, RAYJOB)
  assert check_command(job['spec']['entrypoint']) in sweeps.SWEEPS
  cluster = job['spec']['rayClusterSpec']
  (workers,) = cluster['workerGroupSpecs']
  for group in (cluster['headGroupSpec'], workers):
    pod = group['template']['spec']
    assert pod['serviceAccountName'] == account['metadata']['name']
    for container in pod['containers']:
      # TPUs cannot be overcommitted, and Ray reads its resources from limits.
      assert (
        container['resources']['requests'] == (container['resources']['limits'])
      )
  pod = workers['template']['spec']
  (container,) = pod['containers']
  chips = pod['nodeSelector']['cloud.google.com/gke-tpu-topology']
  assert chips == '1x1'
  assert container['resources']['limits']['google.com/tpu'] == '1'
  # A worker has the resources of one run.
  words = job['spec']['entrypoint'].split()
  assert '--tpus_per_run=1' in words
  assert f'--cpus_per_run={container["resources"]["limits"]["cpu"]}' in words
  assert workers['numOfHosts'] == 1


def test_sky():
  task = yaml.safe_load((TPU / 'sky.yaml').read_text())
  jsonschema.validate(task, SKY)
  text = task['run'].replace('$SWEEP', task['envs']['SWEEP'])
  assert check_command(text) in sweeps.SWEEPS


@pytest.mark.parametrize('path', ['rayjob.yaml', 'sky.yaml'])
def test_a_misspelt_key_would_be_found(path):
  *_, content = yaml.safe_load_all((TPU / path).read_text())
  content['shutdownAfterJobFinish'] = True
  with pytest.raises(jsonschema.ValidationError):
    jsonschema.validate(content, RAYJOB if path == 'rayjob.yaml' else SKY)


def test_the_image_copies_what_there_is():
  text = (TPU / 'Dockerfile').read_text()
  for line in re.findall(r'^COPY (.*) \S+$', text, re.MULTILINE):
    for source in line.split():
      assert (ROOT / source).exists(), source


def test_the_tpu_wheel_and_its_libtpu_are_pinned():
  lines = (TPU / 'requirements.txt').read_text().splitlines()
  assert 'tensorflow-tpu==2.20.0' in lines
  assert 'libtpu==0.0.14' in lines
  # Plain tensorflow must not be installed, even if a dependency requires it.
  lines = (TPU / 'overrides.txt').read_text().splitlines()
  assert 'tensorflow ; python_version < "3"' in lines
  assert any(line.startswith('tf-keras==2.20') for line in lines)


def test_commands_of_the_readme_are_ones_that_the_sweep_takes():
  text = (ROOT / 'launch' / 'README.md').read_text()
  blocks = re.findall(r'```\n(.*?)```', text, re.DOTALL)
  lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
  commands = [
    line.split('#')[0].split('|')[0]
    for line in lines
    if line.startswith('python -m launch.sweep')
  ]
  assert len(commands) >= 5
  for line in commands:
    words = shlex.split(line)
    cut = words.index('--') if '--' in words else len(words)
    names = check_command(shlex.join(words[:cut])).split()
    filters = [word for word in words[:cut] if word.startswith('--filter=')]
    chosen = filters[0].removeprefix('--filter=') if filters else ''
    for name in names:
      assert selection.choose(name, words[cut + 1 :], chosen)
