"""Images, text and their splits, as arrays in memory."""
