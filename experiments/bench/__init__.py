"""What a dropout costs: jaxdrop, its peers and a plain copy, timed in turn on one machine."""
