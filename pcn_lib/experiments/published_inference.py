"""Inference of the authors' public script: gradient descent on the activities, for a number of steps fixed before."""

#: Its rate, that of all networks but transformers.
ACTIVITY_RATE = 0.3
