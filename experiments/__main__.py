"""`python -m flashsale_env.experiments` is the console script `flashsale`."""

import sys

from flashsale_env.experiments.cli import main

sys.exit(main())
