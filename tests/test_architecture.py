"""The house keeps its order: what may import what, where torch lives, how long a file may grow."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mien

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "mien"

ORDER = (
    ("errors", "arrays", "tasks", "metrics", "files", "inference"),
    ("records",),
    ("media", "faces"),
    ("inputs", "hearing", "voice", "databases"),
    ("bundle", "calibration", "annotation", "preparation", "interchange", "derived"),
    ("following", "analysis", "evaluation", "benchmark", "learning"),
    ("reports", "courses", "cluster"),
    ("studio",),
    ("cli", "testing", "__main__"),
)
"""Groups of modules; one may import its own group and those before it. Tests alone import testing."""

HEAVY = (
    "av",
    "cv2",
    "jinja2",
    "matplotlib",
    "moderngl",
    "numpy",
    "onnx",
    "onnxruntime",
    "pyarrow",
    "safetensors",
    "starlette",
    "torch",
    "uvicorn",
)
"""What neither `import mien` nor `mien --help` may load."""

TRAINING = {"onnx", "onnxscript", "safetensors", "torch"}
"""What only learning/ may import, so that analysing needs none of them."""

PICKLERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
DRAWERS = {"common", "helper", "helpers", "misc", "tools", "util", "utils"}

LONGEST_FILE = 500
LONGEST_FUNCTION = 60

FILES = sorted(SOURCE.rglob("*.py"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))


def parsed(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module(path: Path) -> str:
    """Return the name of the module in a file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in FILES}


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Yield the modules that import statements name; of `from a import b` it is a.b where that is one."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def at_start(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when a module is imported: not functions, not what is for types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from at_start(node)


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name of each function and its lines without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                text = node.body[0]
                lines -= (text.end_lineno or text.lineno) - text.lineno + 1
            yield node.name, lines


def rank(name: str) -> int:
    """Return the group of a module of mien in ORDER."""
    top = name.split(".")[1]
    for position, group in enumerate(ORDER):
        if top in group:
            return position
    raise AssertionError(f"{top} has no place in ORDER; give it one")


@each_file
def test_imports_go_one_way(path: Path) -> None:
    if module(path) == "mien":
        return
    inside = {name for name in imported(ast.walk(parsed(path))) if name.startswith("mien.")}
    above = sorted(name for name in inside if rank(name) > rank(module(path)))
    assert not above, f"{module(path)} imports what comes after it: {', '.join(above)}"


def test_package_root_is_imported_by_nobody() -> None:
    naming = [module(path) for path in FILES if "mien" in imported(ast.walk(parsed(path)))]
    assert naming == []


def test_no_imports_in_a_ring() -> None:
    graph = {module(path): set(imported(at_start(parsed(path)))) & MODULES for path in FILES}
    for name, inside in graph.items():
        inside.discard(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a ring of imports: {' <- '.join(error.args[1])}")


@each_file
def test_torch_stays_in_its_wing(path: Path) -> None:
    if path.is_relative_to(SOURCE / "learning"):
        return
    roots = {name.split(".")[0] for name in imported(ast.walk(parsed(path)))}
    assert not roots & TRAINING
    learning = {name for name in imported(at_start(parsed(path))) if name.startswith("mien.learning")}
    assert not learning, "import learning inside a function, so that the rest works without torch"


@each_file
def test_onnxruntime_is_loaded_in_one_place_with_its_reporting_switched_off(path: Path) -> None:
    names = {name.split(".")[0] for name in imported(ast.walk(parsed(path)))}
    assert ("onnxruntime" in names) == (path.name == "inference.py")


def test_onnxruntime_is_imported_in_one_place() -> None:
    naming = [
        module(path)
        for path in FILES
        if "onnxruntime" in {name.split(".")[0] for name in imported(ast.walk(parsed(path)))}
    ]
    assert naming == ["mien.inference"], "it gathers usage data unless it is told not to before it loads"


@each_file
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    tree = parsed(path)
    assert not {name.split(".")[0] for name in imported(ast.walk(tree))} & PICKLERS
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "compile", "os.system"}
            safely = ("weights_only", "True") in {(k.arg, ast.unparse(k.value)) for k in node.keywords}
            assert safely or name != "torch.load", "it runs what is in the file, but for weights_only=True"
            for keyword in node.keywords:
                assert (keyword.arg, ast.unparse(keyword.value)) not in {
                    ("shell", "True"),
                    ("allow_pickle", "True"),
                }


@each_file
def test_no_drawer_for_odds_and_ends(path: Path) -> None:
    assert not DRAWERS & set(path.relative_to(SOURCE).with_suffix("").parts)


@each_file
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    long = {name: lines for name, lines in functions(parsed(path)) if lines > LONGEST_FUNCTION}
    assert not long, f"longer than {LONGEST_FUNCTION} lines: {long}"


def test_public_names_are_sorted_and_all_there() -> None:
    def place(name: str) -> tuple[bool, bool, str]:
        return not name.isupper(), not name[0].isupper(), name

    assert mien.__all__ == sorted(mien.__all__, key=place)
    for name in mien.__all__:
        assert getattr(mien, name) is not None
    homes = mien._HOMES
    assert set(mien.__all__) == set(homes)
    types = {
        (alias.name, node.module)
        for node in ast.walk(parsed(SOURCE / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mien.")
        for alias in node.names
    }
    assert types == set(homes.items()), "what type checkers see differs from what is loaded"


def test_public_names_are_what_their_homes_define() -> None:
    for name, home in mien._HOMES.items():
        assert getattr(mien, name) is getattr(importlib.import_module(home), name)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'smile'"):
        _ = mien.smile


@pytest.mark.parametrize("name", ["mien", "mien.cli"])
def test_start_up_is_light(name: str) -> None:
    code = f"import {name}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert sorted(set(loaded.split()) & set(HEAVY)) == []


def test_tree_in_the_readme_is_the_real_one() -> None:
    told = set(told_tree((ROOT / "README.md").read_text(encoding="utf-8")))
    real = {
        str(path.relative_to(SOURCE)) + "/" * path.is_dir()
        for path in SOURCE.rglob("*")
        if "__pycache__" not in path.parts
        and (
            path.is_dir() or (path.suffix == ".py" and (path.name != "__init__.py" or path.parent == SOURCE))
        )
    }
    assert sorted(real - told) == [], "missing in README.md"
    assert sorted(told - real) == [], "in README.md, but not there"


def told_tree(text: str) -> Iterator[str]:
    """Yield the paths of the README's tree, folders with a slash at their end."""
    lines = text[text.index("\n    src/mien/\n") :].split("\n\n")[0].strip("\n").splitlines()[1:]
    folders: list[str] = []
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 2 - 3
        name = line.split()[0]
        assert line.split()[1:], f"{name} is not explained"
        folders = [*folders[:depth], name]
        yield "".join(folders)


def test_changelog_and_package_agree_on_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["version"]


def test_every_linked_document_exists() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name} links to {link}"
