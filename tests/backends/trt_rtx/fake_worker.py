"""A worker that behaves as its job requests, to test the waiting program."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

job = json.load(sys.stdin)
print(json.dumps({"phase": "begun", "pid": os.getpid()}), flush=True)
if job["act"] == "crash":
    print("[E] something\n\n[E] the last\tword", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
if job["act"] == "traceback":
    raise RuntimeError("a bug")
if job["act"] == "refuse":
    print(json.dumps({"failed": "no such card", "hint": "take another"}), flush=True)
    sys.exit(3)
if job["act"] == "silent exit":
    sys.exit(3)
if job["act"] == "sleep":
    time.sleep(60)
