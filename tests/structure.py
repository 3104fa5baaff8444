"""Measure the structure of the packages: ``python -m tests.structure [ROOT]`` prints one figure per line.

The figures come from the source text alone, so that the same script measures any commit: name the root of another
checkout.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.any_count import count_any
from tests.support.packages import PACKAGES, ROOT

MAX_LINES = 250
MAX_FUNCTION = 40

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Module:
    """One file of the packages.

    Attributes:
        name: Dotted name.
        path: Relative to the root.
        lines: Number of lines.
        tree: Its syntax tree.
    """

    name: str
    path: Path
    lines: int
    tree: ast.Module


def modules_of(root: Path = ROOT) -> list[Module]:
    """Return the modules of all packages, by path."""
    found = []
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            path, code = file.relative_to(root), file.read_text(encoding="utf-8")
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(name, path, len(code.splitlines()), ast.parse(code)))
    return found


def imports_of(modules: list[Module]) -> Graph:
    """Return the modules that each module imports, at any position (``TYPE_CHECKING`` included)."""
    names = {module.name for module in modules}
    graph = {}
    for module in modules:
        targets = {
            name if name in names else name.rpartition(".")[0]
            for node in ast.walk(module.tree)
            for name in _imported(node)
        }
        graph[module.name] = frozenset(targets & names - {module.name})
    return graph


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_of(graph: Graph) -> Graph:
    """Return the imports between packages: ``core.x``, ``stages.x``, ``backends.x``, and the others whole."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, targets in graph.items():
        rooms[_room(module)] |= {_room(target) for target in targets} - {_room(module)}
    return {room: frozenset(targets) for room, targets in rooms.items()}


def _room(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] in {"core", "stages", "backends"} else parts[0]


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(graph.get(name, ())):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def functions_of(module: Module) -> Iterator[tuple[str, int]]:
    """Yield the functions of a module with their length in lines, docstring and signature included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def repeated_classes(modules: list[Module]) -> dict[str, list[str]]:
    """Return the names that more than one class has, leading underscores aside, with their files."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(str(module.path))
    return {name: files for name, files in sorted(places.items()) if len(files) > 1}


def local_imports(module: Module) -> int:
    """Return the number of import statements inside functions."""
    return len(_inside_functions(module))


def _inside_functions(module: Module) -> list[ast.Import | ast.ImportFrom]:
    inside = {
        id(inner): inner
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    return list(inside.values())


def needless_imports(modules: list[Module], started: frozenset[str] = frozenset()) -> list[str]:
    """Return the imports inside functions that save nothing: the module is loaded before the function can run.

    Args:
        modules: All modules of the packages.
        started: Modules that every command loads.

    Returns:
        Place and text of each import whose modules the top level of its file loads, directly or through our own
        packages, or that are in ``started``.
    """
    names = frozenset(module.name for module in modules)
    direct = {module.name: _loaded_by(_top_level(module.tree.body), names) for module in modules}
    found = []
    for module in modules:
        loaded = _closure(module.name, direct) | started
        needless = (node for node in _inside_functions(module) if _targets(node, names) <= loaded)
        found += [f"{module.path}:{node.lineno}: {ast.unparse(node)}" for node in needless]
    return found


def _top_level(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run when a module is loaded."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.ClassDef | ast.With | ast.Try):
            yield from _top_level(node.body)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from _top_level(node.orelse)


def _targets(node: ast.Import | ast.ImportFrom, names: frozenset[str]) -> frozenset[str]:
    """Return the modules that an import needs: those of ours exactly, of others what the statement names."""
    if isinstance(node, ast.Import):
        return frozenset(alias.name for alias in node.names)
    inner = {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(inner & names or {str(node.module)})


def _loaded_by(nodes: Iterator[ast.Import | ast.ImportFrom], names: frozenset[str]) -> frozenset[str]:
    """Return the modules that imports load, parent packages included."""
    targets = {target for node in nodes for target in _targets(node, names)}
    return frozenset(
        ".".join(target.split(".")[: end + 1]) for target in targets for end in range(target.count(".") + 1)
    )


def _closure(name: str, direct: Graph) -> frozenset[str]:
    """Return what the top level of a module loads, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        new = direct.get(module, frozenset()) - found
        found |= new
        waiting += new
    return frozenset(found)


def main() -> None:
    """Print the figures."""
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    modules = modules_of(root)
    graph = imports_of(modules)
    longest = max(modules, key=lambda module: module.lines)
    functions = [(length, f"{module.path}:{name}") for module in modules for name, length in functions_of(module)]
    core = {room: targets for room, targets in rooms_of(graph).items() if room.startswith("core")}
    figures = {
        "files": len(modules),
        "lines": sum(module.lines for module in modules),
        "median lines of a file": statistics.median(module.lines for module in modules),
        "longest file": f"{longest.lines} ({longest.path})",
        f"files over {MAX_LINES} lines": sum(module.lines > MAX_LINES for module in modules),
        "median lines of a function": statistics.median(length for length, _ in functions),
        "longest function": "{} ({})".format(*max(functions)),
        f"functions over {MAX_FUNCTION} lines": sum(length > MAX_FUNCTION for length, _ in functions),
        "circles of files": len(circles(graph)),
        "packages in core": len(core),
        "imports between packages of core": sum(len(targets & core.keys()) for targets in core.values()),
        "circles of packages": len(circles(rooms_of(graph))),
        "imports inside functions": sum(map(local_imports, modules)),
        "class names used twice": len(repeated_classes(modules)),
        "uses of Any": sum(count_any(root).values()),
    }
    for name, value in figures.items():
        print(f"{name:34} {value}")


if __name__ == "__main__":
    main()
