"""A question a file: what is claimed, what would show it, and what came out."""
