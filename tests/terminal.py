"""Runs a program in a terminal of a given width and returns what stands on its screen."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest


def run_in_terminal(code, columns, rows=60, interrupt_at=None, **environment):
    """Lines that are left on the screen (without empty ones) after running `code`.

    `interrupt_at`: Ctrl-C once this text is on the screen.
    """
    pyte = pytest.importorskip("pyte")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    known = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**known, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1", **environment},
        start_new_session=True,
    )
    os.close(theirs)
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    try:
        while data := _read(ours):
            stream.feed(data)
            if interrupt_at is not None and any(interrupt_at in s for s in screen.display):
                interrupt_at = None
                os.kill(process.pid, signal.SIGINT)
        process.wait(60)
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    return [line.rstrip() for line in screen.display if line.strip()]


def _read(fd):
    try:
        return os.read(fd, 65536)
    except OSError:  # the other side is closed
        return b""
