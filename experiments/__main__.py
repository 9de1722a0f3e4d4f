"""`python -m experiments`: status 0 is done, 1 a check says no, 2 bad input, 130 interrupted."""

import logging
import os
import sys

sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore # names of files may be odd
# A device for each core, set before JAX starts: seeds are shared out over them.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(os.cpu_count()))
# It would tell at length of a home that it cannot write to, and take another folder.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

try:
    from experiments.cli import main

    status = main()
    sys.stdout.flush()
    sys.exit(status)
except BrokenPipeError:  # who reads has enough, as in `list | head -1`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
except KeyboardInterrupt as error:  # also while jax is still being imported
    print(str(error) or "Interrupted.", file=sys.stderr)
    sys.exit(130)
