"""Rules of the code: imports, flags, and the length of functions.

They are checked on the source, which is not imported.
"""

import ast
import functools
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ('vae_info', 'launch', 'plots')

# What each room (part) of vae_info may import, besides itself.
BASICS = {'errors', 'config', 'randomness', 'clusters'}
PAPER = {'objectives', 'references'}
LEARNING = {
  'datasets',
  'networks',
  'runs',
  'devices',
  'loop',
  'early_stopping',
}
ROOMS = {
  'errors': set(),
  'machine': set(),
  'randomness': set(),
  'clusters': set(),
  'objectives': set(),
  'augmentation': set(),
  'neighbours': set(),
  'multiplier': set(),
  'references': set(),
  'config': {'errors'},
  'datasets': {'errors', 'config'},
  'networks': BASICS | {'machine'},
  'runs': BASICS | {'machine', 'networks'},
  'devices': {'errors', 'machine'},
  'early_stopping': set(),
  'loop': BASICS | {'runs', 'devices'},
  'steps': BASICS
  | {'objectives', 'networks', 'loop', 'augmentation', 'multiplier'},
  'training': BASICS | LEARNING | {'steps', 'multiplier'},
  'evaluation': BASICS | PAPER | LEARNING | {'machine'},
  'baselines': BASICS
  | PAPER
  | LEARNING
  | {'evaluation', 'training', 'neighbours'},
  'examples': BASICS | PAPER | LEARNING | {'evaluation'},
  'cli': {'errors', 'config'},  # Shared by the commands.
}
SHARED_FLAGS = {
  'vae_info.cli',
  'plots.table_flags',
}  # These define flags that several commands have.
MAX_LINES = 50  # Lines of a function.
MAX_PARAMETERS = 6


class Module:
  """A Python file: its module name and its syntax tree."""

  def __init__(self, path: pathlib.Path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    self.name = '.'.join(parts).removesuffix('.__init__')
    self.path = path
    self.tree = ast.parse(path.read_text())
    self.functions = [
      node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)
    ]

  @property
  def is_command(self) -> bool:
    return any(
      isinstance(node, ast.If) and "__name__ == '__main__'" in ast.unparse(node)
      for node in self.tree.body
    )

  @property
  def imports(self) -> set[str]:
    """All imported modules, also those imported in functions or for types."""
    names = set()
    for node in ast.walk(self.tree):
      if isinstance(node, ast.Import):
        names |= {alias.name for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        assert not node.level, f'{self.name} has a relative import'
        for alias in node.names:
          inner = f'{node.module}.{alias.name}'
          names.add(inner if inner in OURS else node.module)
          if inner == 'absl.flags':
            names.add(inner)
    return names

  def where(self, node: ast.AST) -> str:
    return f'{self.path.relative_to(ROOT)}:{node.lineno}'


PATHS = sorted(
  path for package in PACKAGES for path in (ROOT / package).rglob('*.py')
)
OURS = {
  '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix(
    '.__init__'
  )
  for path in PATHS
}
MODULES = [Module(path) for path in PATHS]
COMMANDS = [module for module in MODULES if module.is_command]
LIBRARY = [module for module in MODULES if not module.is_command]


def room(name: str) -> str:
  """The room of vae_info that a module is in."""
  return name.split('.')[1]


@functools.cache
def ours(module: Module) -> frozenset[str]:
  """The modules of this repository that a module imports."""
  return frozenset(module.imports & OURS)


def test_commands_are_found():
  names = {module.name for module in COMMANDS}
  assert {'vae_info.train', 'vae_info.baselines.__main__'} <= names
  assert {'launch.sweep', 'plots.figures'} <= names
  assert 'vae_info.training' not in names


def check(wrong):
  """Fails with all lines of `wrong`, if there are any."""
  assert not wrong, '\n'.join(['', *wrong])


def test_rooms_are_in_an_order_and_have_every_module():
  graphlib.TopologicalSorter(ROOMS).prepare()  # Raises on a cycle.
  names = {module.name for module in LIBRARY} - {'vae_info'}
  rooms = {room(name) for name in names if name.startswith('vae_info.')}
  assert rooms == set(ROOMS)


def test_no_import_runs_back_up_between_rooms():
  wrong = [
    f'{module.name} imports {name}'
    for module in LIBRARY
    if module.name.startswith('vae_info.')
    for name in ours(module) - {'vae_info'}
    if name.startswith('vae_info.')
    and room(name) not in ROOMS[room(module.name)] | {room(module.name)}
  ]
  check(wrong)


def test_no_modules_import_each_other():
  graph = {module.name: ours(module) - {module.name} for module in MODULES}
  try:
    graphlib.TopologicalSorter(graph).prepare()
    cycle = []
  except graphlib.CycleError as error:
    cycle = error.args[1]
  check(cycle)


def test_packages_import_one_way():
  allowed = {
    'vae_info': {'vae_info'},
    'launch': {'vae_info', 'launch'},
    'plots': {'vae_info', 'plots'},
  }
  wrong = [
    f'{module.name} imports {name}'
    for module in MODULES
    for name in ours(module)
    if name.split('.')[0] not in allowed[module.name.split('.')[0]]
  ]
  check(wrong)


def test_nothing_imports_a_command():
  commands = {module.name for module in COMMANDS}
  wrong = [
    f'{module.name} imports {name}'
    for module in MODULES
    for name in ours(module) & commands
  ]
  check(wrong)


def test_only_commands_know_flags():
  wrong = [
    module.name
    for module in LIBRARY
    if module.imports & {'absl.flags', 'absl.app'}
    and module.name not in SHARED_FLAGS
  ]
  check(wrong)


def test_flags_are_read_in_main_alone():
  """All other functions get flags as arguments, even if as `FlagValues`."""
  wrong = {
    f'{module.where(node)} in {function.name}': None
    for module in MODULES
    for function in module.functions
    if function.name != 'main'
    for node in ast.walk(function)
    if (isinstance(node, ast.Name) and node.id == 'FLAGS')
    or (isinstance(node, ast.Attribute) and node.attr == 'FLAGS')
  }
  check(wrong)


@pytest.mark.parametrize(
  'module',
  # Examples stay simple, for readers.
  [m for m in COMMANDS if not m.name.startswith('vae_info.examples.')],
  ids=lambda module: module.name,
)
def test_each_command_ends_in_one_line(module):
  assert 'app.run(cli.one_line_errors(main))' in ast.unparse(module.tree)


def test_files_of_a_run_are_named_by_their_owner_alone():
  names = {'config.json', 'finished.json', 'evaluation.json', 'progress.json'}
  names |= {'run.lock', 'checkpoints'}
  check(
    [
      f'{module.where(node)} {node.value!r}'
      for module in MODULES
      if not module.name.startswith('vae_info.runs.')
      for node in ast.walk(module.tree)
      if isinstance(node, ast.Constant) and node.value in names
    ]
  )


def test_functions_are_short():
  wrong = [
    f'{module.where(function)} {function.name}: {length} lines'
    for module in MODULES
    for function in module.functions
    if (length := function.end_lineno - function.lineno + 1) > MAX_LINES
  ]
  check(wrong)


def test_functions_have_few_parameters():
  wrong = [
    f'{module.where(function)} {function.name}: {count} parameters'
    for module in MODULES
    for function in module.functions
    if function.name != '__init__'  # Parameters of a constructor are data.
    and (count := parameters(function)) > MAX_PARAMETERS
  ]
  check(wrong)


def parameters(function: ast.FunctionDef) -> int:
  """How many parameters a function has, besides `self` or `cls`."""
  arguments = function.args
  names = [
    argument.arg
    for argument in (
      *arguments.posonlyargs,
      *arguments.args,
      *arguments.kwonlyargs,
    )
  ]
  return len([name for name in names if name not in ('self', 'cls')])
