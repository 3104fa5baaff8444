"""An NVML library that lists the GPUs of a test, compiled for the real ``pynvml``."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace

import pynvml

from tests.support.machine_tools import UUIDS, Machine, library

NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 3, 4, 6


@dataclass(frozen=True)
class Card:
    """A GPU, or an instance of MIG.

    Attributes:
        total, free: MiB.
        mig: Its instances; None where MIG is off.
        handle, memory, facts: NVML error for the device, for its memory, for its UUID and capability; 0: none.
    """

    uuid: str = UUIDS[0]
    name: str = "NVIDIA L4"
    capability: str = "8.9"
    total: int = 24576
    free: int = 20000
    mig: tuple[Card, ...] | None = None
    handle: int = 0
    memory: int = 0
    facts: int = 0


SMALL = Card("MIG-5a1b", "NVIDIA A100 MIG 1g.5gb", "8.0", 4864, 4800)
LARGE = Card("MIG-5a1c", "NVIDIA A100 MIG 3g.20gb", "8.0", 19968, 19000)
DIVIDED = Card(UUIDS[0], "NVIDIA A100", "8.0", 40960, 39000, mig=(SMALL, LARGE))
PLAIN = Card(UUIDS[1], "NVIDIA L40", free=22000)

SOURCE = """
#include <string.h>
#include <unistd.h>
struct card { const char *name, *uuid; int major, minor; unsigned long long total, free;
              int handle, memory, facts, mig; };
static const struct card CARDS[] = { %(cards)s };
static const struct card INSTANCES[][8] = { %(instances)s };
static const struct card *of(void *handle) {
  long n = (long)handle; return n < 100 ? &CARDS[n - 1] : &INSTANCES[n / 100 - 1][n %% 100 - 1]; }
int nvmlInitWithFlags(unsigned flags) { while (%(hangs)d) pause(); return %(init)d; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) {
  return code == 999 ? "Unknown Error" : code == 15 ? "GPU is lost" : "Refused"; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { strncpy(text, "%(driver)s", n); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = %(count)d; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) {
  *handle = (void *)(long)(i + 1); return of(*handle)->handle; }
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
  memory[0] = of(handle)->total << 20; memory[1] = of(handle)->free << 20; return of(handle)->memory; }
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
  *major = of(handle)->major; *minor = of(handle)->minor; return of(handle)->facts; }
int nvmlDeviceGetName(void *handle, char *text, unsigned n) { strncpy(text, of(handle)->name, n); return 0; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned n) {
  strncpy(text, of(handle)->uuid, n); return of(handle)->facts; }
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
  *current = *pending = of(handle)->mig >= 0; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned i, void **device) {
  *device = (void *)((long)handle * 100 + i + 1); return (int)i < of(handle)->mig ? 0 : 6; }
"""


def install_nvml(machine: Machine, *cards: Card, init: int = 0, driver: str = "580.95.05", hangs: bool = False) -> None:
    """Let ``pynvml`` load a library that lists ``cards``, until the end of the test.

    Args:
        machine: Where to put it.
        cards: In the order of nvidia-smi.
        init: NVML error of the start; 0: none.
        driver: Its version.
        hangs: The start does not return.
    """
    instances = ["{ " + ", ".join(map(_struct, card.mig or [replace(card, mig=None)])) + " }" for card in cards]
    words = {
        "cards": ", ".join(map(_struct, cards or [Card()])),
        "instances": ", ".join(instances or ["{ { 0 } }"]),
        "count": len(cards),
        "init": init,
        "driver": driver,
        "hangs": hangs,
    }
    number = len(list(machine.root.glob("nvml-*")))  # each is another library, which the loader has not cached
    pynvml.nvmlLib = ctypes.CDLL(str(library(machine.root / f"nvml-{number}.so", SOURCE % words)))
    pynvml._nvmlGetFunctionPointer_cache.clear()


def _struct(card: Card) -> str:
    major, minor = card.capability.split(".")
    count = -1 if card.mig is None else len(card.mig)
    errors = f"{card.handle}, {card.memory}, {card.facts}, {count}"
    return f'{{ "{card.name}", "{card.uuid}", {major}, {minor}, {card.total}, {card.free}, {errors} }}'
