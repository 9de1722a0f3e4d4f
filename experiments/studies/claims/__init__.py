"""A question a file: what is claimed, what would show it, and what came out.

«Came out» tells of runs on one fixed choice of training images (500 unless a file says otherwise),
with intervals over seeds alone: `--split fixed` is that protocol. Runs of today's are to follow.
"""
