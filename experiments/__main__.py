"""`python -m experiments`: the status is 0 done, 2 bad input, 130 interrupted."""

import sys

try:
    from experiments.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # also while jax is still being imported
    print("Interrupted: no run was completed.", file=sys.stderr)
    sys.exit(130)
