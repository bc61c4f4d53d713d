"""Helps tests that look at processes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for supervised.py, which is a program as well as a module
