#!/usr/bin/env python3
"""graft next to the engines that people use; `bench/peers.py --help` says more."""

import sys

from peers.program import main  # of the folder peers/: Python prefers a package to a module of its name

if __name__ == "__main__":
    sys.exit(main())
