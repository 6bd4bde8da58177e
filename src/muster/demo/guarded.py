"""Has a process end with the demo that started it.

Its standard input is a pipe whose other end only the demo holds, and which the
kernel closes however the demo ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

_STOP_S: Final = 20.0


def end_with_the_demo() -> None:
    """Once the demo is gone, have this process end in order, and remove the folder it runs in."""
    threading.Thread(target=_stop_at_end_of_input, args=(Path.cwd(),), daemon=True).start()


def _stop_at_end_of_input(folder: Path) -> None:
    # Not through sys.stdin: its lock, held here, would abort the interpreter's own end.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_S)  # this thread does not outlive a clean end
    os.kill(os.getpid(), signal.SIGKILL)
