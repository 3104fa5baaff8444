"""Our own dependencies against the ranges of pyproject.toml, and packages that get in each other's way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backends.system.host import Host, listed
from backends.system.native import ask_python, remedy_for
from backends.system.platform import metadata_text
from core.kinds.check import Finding, absent, broken, doubtful, fine


def dependencies(here: Host | None = None) -> Iterator[Finding]:
    """Every package that hookline needs, with its version against the range."""
    from packaging.requirements import Requirement

    here = here or Host()
    own = here.packages.get("hookline")
    if own is None:
        yield absent(
            "packages",
            "hookline is not installed as a package: its ranges are not known",
            "pip install -e . in its folder",
        )
        return
    wanted = [Requirement(text) for text in _required(metadata_text(own.metadata))]
    wanted = [item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]
    good = []
    for item in wanted:
        package = here.packages.get(re.sub(r"[-_.]+", "-", item.name).lower())
        if package is None:
            yield broken("package " + item.name, f"not installed; {item} is needed", f"pip install '{item}'")
        elif not item.specifier.contains(package.version, prereleases=True):
            found = f"{package.version} at {package.site}; {item} is needed"
            yield broken("package " + item.name, found, f"pip install '{item}'", version=package.version)
        else:
            good.append(package)
    if good:
        count = f"{len(good)} of {len(wanted)} within their ranges: "
        yield fine("packages", count + listed(good), **{package.name: package.version for package in good})


def opencv(here: Host | None = None) -> Iterator[Finding]:
    """One OpenCV package, which can be imported."""
    here = here or Host()
    packages = here.packages_like(r"opencv(-contrib)?-python(-headless)?(-rolling)?")
    if len(packages) > 1:
        names = " ".join(package.name for package in packages)
        yield broken(
            "OpenCV",
            f"{len(packages)} packages write the same folder cv2, and the last one installed won: {listed(packages)}",
            f"pip uninstall -y {names} && pip install opencv-python",
        )
        return
    if not packages:
        return  # told with the packages that are missing
    said, error = ask_python("import cv2, json; print(json.dumps([cv2.__version__, cv2.__file__]))")
    if error:
        yield broken(
            "OpenCV", f"{listed(packages)} cannot be imported: {error}", remedy_for(error, _opencv_remedy(error))
        )
    else:
        yield fine("OpenCV", f"{said[0]} at {here.brief(said[1])}", version=said[0], path=said[1])


def video(here: Host | None = None) -> Iterator[Finding]:
    """PyAV: the decoders of usual streams, and the encoder that predict prefers."""
    here = here or Host()
    if "av" not in here.packages:
        return
    code = "import av, json; print(json.dumps([av.__version__, sorted(av.codecs_available)]))"
    said, error = ask_python(code)
    if error:
        remedy = remedy_for(error, "pip install --force-reinstall av")
        yield broken("video", f"PyAV cannot be imported: {error}", remedy)
        return
    version, codecs = said[0], set(said[1])
    missing = [name for name in ("h264", "hevc", "mjpeg", "av1", "vp9") if name not in codecs]
    found = f"PyAV {version}; decoders {'complete' if not missing else 'without ' + ', '.join(missing)}"
    if missing or "libx264" not in codecs:
        lacks = "" if "libx264" in codecs else "; no encoder libx264: predict writes MPEG-4, larger files"
        yield doubtful("video", found + lacks, "pip install --force-reinstall --only-binary av av", version=version)
    else:
        yield fine("video", f"{found}, encoder libx264", version=version)


def _required(metadata: str) -> list[str]:
    return re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)


def _opencv_remedy(error: str) -> str:
    if match := re.search(r"(lib[\w.+-]+\.so[.\d]*)", error):
        known = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0", "libxcb.so.1": "libxcb1"}
        package = known.get(match.group(1), f"the package that holds {match.group(1)}")
        return f"apt-get install {package} (or your system's name for it)"
    return "pip install --force-reinstall opencv-python"
