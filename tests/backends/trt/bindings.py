"""The real Python bindings of TensorRT 10 and 11 over stub libraries.

The bindings are a small wheel per release. The libraries that they load are large and need a GPU. Stand-in libraries of
the same names, in which every function returns null, let Python import the module: each class, enum and signature
exists, and Python subclasses of its interfaces can be created and called. ``Builder()`` raises ``TypeError``, and
``get_plugin_registry()`` returns ``None``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.wheels import CACHE, REPO, TAG, Unobtainable, check_platform, compiler, prepared, unpack_wheel

PACKAGE = "tensorrt-cu13-bindings"
WHEELS = {
    "10.16.1.11": {
        "cp310": "c8e171511a01a2678cb3e00ca4792bc1d7ea6c48da9781ab127970f6ad1edc4a",
        "cp311": "f986d47980d042cc126506a9b84586e55ad13737a7a46826fe45457c04d66294",
        "cp312": "2fb87ac24a5e5f42e43f283c16d1b661dc72ef18568fd847ce2080b7db9ca232",
        "cp313": "da17c222ba99f46e77e1dab568cd17c4652b0432d4fae074e4c79285356aa0ac",
    },
    "11.4.0.106": {
        "cp310": "1d17853da33a186c4d4d39995c1186bb59f643689aabac9c3e33ae5f0ba402f5",
        "cp311": "d072ac2a095e2be749fefc847adfb25d5ebe70303401df62ede8fe67a59f27fc",
        "cp312": "5fc7a6c412881f7212030893bd5531b1a0ff415c72c7678dfe4ead7a7765b38d",
        "cp313": "bac9a362c9189b5f5dd0444213913846e4b46003237834958e890eff57d86ed5",
    },
}
"""SHA-256 of the wheel by release and Python."""
OLDER_PACKAGE = "tensorrt-cu12-bindings"
OLDER = {
    "10.3.0": {
        "cp310": "1d6e4cf08ef1f54f6fd44a33cf6b253050af2fc6e9a1d92e40e1436a1d858eb0",
        "cp311": "59ace22d7f2ca1e9dcde2cb0cb5916912cb3cd5a9d72dd7852be0160d9b3a0ee",
        "cp312": "f5c2582aeaa7f5628d2c4d4148a701ebe97be78f7ff3b46a617f0ee0cb5460f2",
    },
}
"""The release of JetPack 6, before ahead-of-time plugins; not all tests support it."""

LIBRARIES = {
    "nvinfer": (
        "createInferBuilder_INTERNAL",
        "createInferRefitter_INTERNAL",
        "createInferRuntime_INTERNAL",
        "getBuilderPluginRegistry",
        "getPluginRegistry",
    ),
    "nvinfer_plugin": ("initLibNvInferPlugins",),
    "nvonnxparser": ("createNvOnnxParser_INTERNAL", "createNvOnnxParserRefitter_INTERNAL", "getNvOnnxParserVersion"),
}
"""The functions that the bindings import from each library."""


@dataclass(frozen=True)
class Bindings:
    """One release, to be used in a child process: a process can load one release only.

    Attributes:
        version: E.g. ``10.16.1.11``.
        folder: Holds the package ``tensorrt`` and ``lib``, the stand-ins.
    """

    version: str
    folder: Path

    @property
    def major(self) -> int:
        """10 or 11."""
        return int(self.version.split(".")[0])

    def environment(self) -> dict[str, str]:
        """Return the environment in which ``import tensorrt`` finds this release, named in HOOKLINE_REAL_BINDINGS."""
        inherited = os.environ.get("LD_LIBRARY_PATH")
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(REPO)]),
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(self.folder / "lib"), inherited])),
            "HOOKLINE_REAL_BINDINGS": self.version,
        }

    def run(self, *arguments: str) -> str:
        """Run ``python <arguments>`` in the root of the repository and return its output.

        Raises:
            AssertionError: It did not end with exit code 0; holds all that it printed.
        """
        done = subprocess.run(
            [sys.executable, *arguments], cwd=REPO, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"TensorRT {self.version}, exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def pytest(self, *arguments: str) -> str:
        """Run tests over this release, e.g. ``pytest("tests/backends/trt/over_bindings.py")``; no test is an error."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


def obtain(version: str) -> Bindings:
    """Return the bindings of a release, downloaded once into ``.cache`` of the checkout.

    Raises:
        Unobtainable: No such wheel for this machine and Python, no package index, or no C compiler.
    """
    check_platform()
    package, sha256 = (OLDER_PACKAGE, OLDER[version]) if version in OLDER else (PACKAGE, WHEELS[version])
    if TAG not in sha256:
        raise Unobtainable(f"no pinned wheel of {package} {version} for {TAG}")

    def prepare(place: Path, ready: Path) -> None:
        unpack_wheel(package, version, sha256[TAG], place, place)
        # The wheel has no package 'tensorrt': the bindings get this name here.
        shutil.copytree(place / "tensorrt_bindings", ready / "tensorrt")
        _stand_ins(version.split(".", maxsplit=1)[0], ready / "lib")

    return Bindings(version, prepared(CACHE / "tensorrt-bindings" / f"{version}-{TAG}", prepare))


def _stand_ins(major: str, folder: Path) -> None:
    command = compiler("gcc", "cc")
    folder.mkdir()
    for name, functions in LIBRARIES.items():
        source = "".join(f"void *{function}(void) {{ return 0; }}\n" for function in functions)
        soname = f"lib{name}.so.{major}"
        subprocess.run(
            [command, "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", str(folder / soname), "-xc", "-"],
            input=source,
            text=True,
            check=True,
        )


def main() -> None:
    """Download all releases, for ``make test``; report those that are unavailable, whose tests are skipped."""
    for version in (*WHEELS, *OLDER):
        try:
            obtain(version)
        except Unobtainable as error:
            print(f"tests over TensorRT's bindings will be skipped: {error}")


if __name__ == "__main__":
    main()
