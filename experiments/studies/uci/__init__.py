"""Monte-Carlo dropout on the UCI regression sets: protocol, data, training, comparison."""
