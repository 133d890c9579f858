"""One network here and in other libraries: the same numbers, measured in an environment of each.

``problem.npz`` carries the network from one to the other. Each script of this folder is run by the Python that has the
library it is named after, and no two of them need each other.
"""
