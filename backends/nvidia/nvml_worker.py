"""Run as a script, in a process of its own: asks NVML for driver and GPUs. Opens no CUDA context.

The argument is the path of ``libnvidia-ml.so.1``. Prints JSON: ``driver`` and ``gpus``; or ``code`` and ``text`` of
what NVML refused, ``call`` being the function; or ``error`` where the library cannot be loaded.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import TypedDict

_TEXT = 96
"""Bytes of the longest name that NVML gives."""
UNTOLD = (3, 4)
"""``NVML_ERROR_NOT_SUPPORTED`` and ``NVML_ERROR_NO_PERMISSION``: GPUs that share the processor's memory have none of
their own to tell of, and a container with an instance of MIG may not ask the GPU that it is an instance of."""


class DeviceFacts(TypedDict):
    """A GPU, or an instance of one."""

    name: str
    uuid: str
    total: int
    free: int


class Instance(DeviceFacts):
    """An instance of MIG."""

    place: str


class ListedGpu(TypedDict, total=False):
    """A GPU; of one that does not answer only ``lost`` and ``code``."""

    name: str
    uuid: str
    total: int
    free: int
    capability: str
    mig: list[Instance] | None
    lost: str
    code: int


class Said(TypedDict, total=False):
    """What is printed: ``driver`` and ``gpus``; or ``call``, ``code`` and ``text``; or ``error``."""

    driver: str
    gpus: list[ListedGpu]
    call: str
    code: int
    text: str
    error: str


class RefusedError(Exception):
    """NVML refused a call."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(call, code)
        self.call, self.code = call, code


class Memory(ctypes.Structure):
    """``nvmlMemory_t``, bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Nvml:
    """The calls that are needed."""

    def __init__(self, path: str) -> None:
        self.library = ctypes.CDLL(path)

    def call(self, name: str, *arguments: object) -> None:
        """Call a function that returns ``nvmlReturn_t``."""
        code = getattr(self.library, name)(*arguments)
        if code:
            raise RefusedError(name, code)

    def told(self, name: str, *arguments: object) -> bool:
        """Call a function; False where NVML does not tell this of a device that is well."""
        try:
            self.call(name, *arguments)
        except RefusedError as error:
            if error.code in UNTOLD:
                return False
            raise
        return True

    def text(self, name: str, *before: object) -> str:
        """A function that fills a buffer of characters."""
        buffer = ctypes.create_string_buffer(_TEXT)
        self.call(name, *before, buffer, ctypes.c_uint(_TEXT))
        return buffer.value.decode(errors="replace")

    def number(self, name: str, *before: object) -> int:
        """A function that writes one number."""
        value = ctypes.c_uint()
        self.call(name, *before, ctypes.byref(value))
        return value.value

    def handle(self, name: str, *before: object) -> ctypes.c_void_p:
        """A function that writes the handle of a device."""
        value = ctypes.c_void_p()
        self.call(name, *before, ctypes.byref(value))
        return value

    def reason(self, code: int) -> str:
        """What NVML calls an error."""
        try:
            self.library.nvmlErrorString.restype = ctypes.c_char_p
            return (self.library.nvmlErrorString(code) or b"").decode(errors="replace")
        except AttributeError:
            return ""


def gpu(nvml: Nvml, index: int) -> ListedGpu:
    """One GPU; of one that does not answer ``lost`` holds the error, ``code`` its number."""
    try:
        handle = nvml.handle("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index))
        told = facts(nvml, handle)
        return {
            "name": told["name"],
            "uuid": told["uuid"],
            "total": told["total"],
            "free": told["free"],
            "capability": capability(nvml, handle),
            "mig": mig(nvml, handle),
        }
    except RefusedError as error:
        return {"lost": nvml.reason(error.code) or f"error {error.code}", "code": error.code}


def facts(nvml: Nvml, handle: ctypes.c_void_p) -> DeviceFacts:
    """What NVML tells of a GPU or of an instance of one; what it does not tell is empty or 0."""
    memory = Memory()
    if not nvml.told("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory)):
        memory = Memory()
    try:
        uuid = nvml.text("nvmlDeviceGetUUID", handle)
    except RefusedError as error:
        if error.code not in UNTOLD:
            raise
        uuid = ""
    return {
        "name": nvml.text("nvmlDeviceGetName", handle),
        "uuid": uuid,
        "total": memory.total,
        "free": memory.free,
    }


def capability(nvml: Nvml, handle: ctypes.c_void_p) -> str:
    """Compute capability, e.g. ``8.9``; empty where NVML does not tell."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    told = nvml.told("nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}" if told else ""


def mig(nvml: Nvml, handle: ctypes.c_void_p) -> list[Instance] | None:
    """The MIG devices, each with its own memory and with its profile in its name; None where MIG is off or unknown."""
    current, pending = ctypes.c_uint(), ctypes.c_uint()
    try:
        nvml.call("nvmlDeviceGetMigMode", handle, ctypes.byref(current), ctypes.byref(pending))
        if not current.value:
            return None
        most = nvml.number("nvmlDeviceGetMaxMigDeviceCount", handle)
    except (RefusedError, AttributeError):
        return None
    found: list[Instance] = []
    for index in range(most):
        try:
            device = nvml.handle("nvmlDeviceGetMigDeviceHandleByIndex", handle, ctypes.c_uint(index))
            found.append({**facts(nvml, device), "place": place(nvml, device)})
        except RefusedError:
            continue  # no instance in this place
    return found


def place(nvml: Nvml, device: ctypes.c_void_p) -> str:
    """Numbers of GPU instance and compute instance, ``1/0``, by which older drivers name it; empty if not told."""
    try:
        names = ("nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId")
        return "/".join(str(nvml.number(name, device)) for name in names)
    except (RefusedError, AttributeError):
        return ""


def main() -> None:
    """Ask and print."""
    said: Said
    try:
        nvml = Nvml(sys.argv[1])
        nvml.call("nvmlInit_v2")
        count = nvml.number("nvmlDeviceGetCount_v2")
        said = {"driver": nvml.text("nvmlSystemGetDriverVersion"), "gpus": [gpu(nvml, index) for index in range(count)]}
    except RefusedError as error:
        said = {"call": error.call, "code": error.code, "text": nvml.reason(error.code)}
    except (OSError, AttributeError) as error:
        said = {"error": str(error)}
    print(json.dumps(said))  # noqa: T201


if __name__ == "__main__":
    main()
