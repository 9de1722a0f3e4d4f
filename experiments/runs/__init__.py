"""A run is a folder: what it depended on, how far it is, what came out; resumed and verified."""
