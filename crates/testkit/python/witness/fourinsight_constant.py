"""Prints one constant of the installed fourinsight.api, so that nothing of it is copied into this repository."""

import sys

from fourinsight.api.authenticate import _CONSTANTS

value = _CONSTANTS[sys.argv[1]]
print(value if isinstance(value, str) else " ".join(value))
