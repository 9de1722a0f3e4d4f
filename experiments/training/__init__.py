"""From a task to metrics: keys, steps, evaluation, chunks, devices."""
