"""What the import contracts of pyproject.toml cannot say: the report uses only what partwise declares as public."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES, EVALUATOR = ROOT / "src", ROOT / "packages" / "streeteval" / "src"
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


def imports_of(path: Path):
    """(module, name) of every `from partwise... import name`, and of streeteval's, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("partwise", "streeteval"):
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", sorted((SOURCES / "partwise_report").rglob("*.py")), ids=lambda path: path.stem)
def test_the_report_imports_only_public_names(path):
    for module, name in imports_of(path):
        assert name in import_module(module).__all__, f"{path.name}: {name} is not public in {module}"


def test_the_product_does_not_know_the_words_of_the_report():
    """Slips are the report's: no configuration or network of partwise has them."""
    for path in sorted((SOURCES / "partwise").rglob("*.py")):
        if path.name != "migration.py":  # which reads what version 0.1 wrote
            words = path.read_text(encoding="utf-8").lower()
            assert "slips" not in words, path


@pytest.mark.parametrize("path", sorted([*SOURCES.rglob("*.py"), *EVALUATOR.rglob("*.py")]), ids=lambda path: path.stem)
def test_files_and_functions_fit_the_eye(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and not _is_command(node):
            assert _lines_of_code(node) <= LONGEST_FUNCTION, node.name


def _lines_of_code(node: ast.FunctionDef) -> int:
    """The lines of a function without its docstring, which is its contract."""
    first = node.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - docstring


def _is_command(node: ast.FunctionDef) -> bool:
    """A command of the command line: most of it is the list of its options."""
    return any(".command" in ast.unparse(decorator) for decorator in node.decorator_list)
