"""Studies that train: cases and arms as data, what the claim says of them, and what came out."""
