"""Where dropout stands: every placement at every rate."""
