"""`python -m trouper.actors.cli`: the same as `trouper`."""

import sys

from .main import main

sys.exit(main())
