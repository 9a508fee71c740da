"""`python -m experiments` is the console script `flashsale`."""

import sys

from experiments.cli import main

sys.exit(main())
