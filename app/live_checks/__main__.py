"""`python -m app.live_checks CONNECTION ...`."""

import sys

from app.live_checks.command import main

if __name__ == "__main__":
    sys.exit(main())
