"""A function has no parameter that it never reads: a protocol asks for nothing that an implementation ignores."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.packages import PACKAGES, ROOT

FOREIGN = {
    "core/errors.py": {"repr_int", "repr_instance"},  # reprlib.Repr
    "backends/trt/calibrators.py": {"get_batch"},  # TensorRT's IInt8Calibrator
    "backends/trt/monitor.py": {"phase_start"},  # TensorRT's IProgressMonitor
    "backends/yolov5/data/loader.py": {"_prepare_worker"},  # worker_init_fn of PyTorch
    "backends/yolov5/pickle_machine.py": {  # operations of a pickle: each gets the machine and the argument
        "_mark", "_pop", "_pop_mark", "_stack_global", "_reduce", "_new_with_keywords", "_build", "_append",
        "_add_items", "_set_item", "_memoize", "_persistent", "work", "lambda",
    },
    "cuda_plugins/yolo_layer_callbacks.py": {  # TensorRT's IPluginV3
        "get_capability_interface", "get_output_data_types", "get_output_shapes", "configure_plugin", "on_shape_change",
        "attach_to_context", "enqueue",
    },
    "cuda_plugins/yolo_layer_plugin.py": {"create_plugin"},  # TensorRT's IPluginCreatorV3One
}  # fmt: skip
"""Functions whose parameters another library, or Python itself, lays down."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def unused(code: str) -> Iterator[tuple[str, str]]:
    """Yield function and parameter for each that is never read.

    Left out are ``self`` and ``cls``, ``__exit__``, and functions that do nothing or only raise: declarations of a
    protocol, and stand-ins for one.
    """
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, Function):
            continue
        name = "lambda" if isinstance(node, ast.Lambda) else node.name
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        if name == "__exit__" or all(_does_nothing(item) for item in body):
            continue
        given = node.args
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        read = {item.id for part in body for item in ast.walk(part) if isinstance(item, ast.Name)}
        yield from ((name, item.arg) for item in parameters if item and item.arg not in read | {"self", "cls"})


def _does_nothing(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Raise)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def one(given, _other): return given", [("one", "_other")]),
        ("def one(*given, **named): return 1", [("one", "given"), ("one", "named")]),
        ("call = lambda _: 1", [("lambda", "_")]),
        ("class A:\n def one(self, *, key): return self", [("one", "key")]),
        ("def one(given):\n def two(): return given\n return two", []),
        ("class A:\n def __exit__(self, *error): self.close()", []),
        ("class A:\n def one(self, given):\n  '''Text.'''\n  ...", []),
        ("def one(given): raise NotImplementedError", []),
    ],
)
def test_what_counts(code: str, found: list[tuple[str, str]]) -> None:
    assert list(unused(code)) == found


def test_no_parameter_is_there_for_the_sake_of_a_protocol() -> None:
    files = {file.relative_to(ROOT).as_posix(): file for name in PACKAGES for file in (ROOT / name).rglob("*.py")}
    found = {name: list(unused(file.read_text(encoding="utf-8"))) for name, file in files.items()}
    wrong = [(name, *item) for name, items in found.items() for item in items if item[0] not in FOREIGN.get(name, ())]
    assert wrong == []
    ignoring = {name: {function for function, _ in items} for name, items in found.items()}
    assert {name: functions - ignoring[name] for name, functions in FOREIGN.items()} == {
        name: set() for name in FOREIGN
    }
