"""`python -m experiments`: the status is 0 done, 1 no, 2 bad input, 130 interrupted."""

import os
import sys

# A device for each core, set before JAX starts: seeds are shared out over them (see train.py).
os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(os.cpu_count()))

try:
    from experiments.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # also while jax is still being imported
    print("Interrupted: no run was completed.", file=sys.stderr)
    sys.exit(130)
