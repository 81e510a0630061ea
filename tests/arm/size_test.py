#!/usr/bin/env python3
"""The size of a program without its symbols may not exceed a number of bytes.

  size_test.py STRIP PROGRAM BYTES
"""
import os
import subprocess
import sys
import tempfile

strip, program, limit = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    stripped = os.path.join(folder, "stripped")
    subprocess.run([strip, "-o", stripped, program], check=True)
    size = os.path.getsize(stripped)
print(f"{os.path.basename(program)}: {size} bytes stripped, the limit is {limit}")
sys.exit(size > int(limit))
