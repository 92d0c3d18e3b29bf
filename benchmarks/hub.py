"""A Hub under load: bytes in and out, and lists and searches of a hundred thousand repositories.

The two halves, their peers and their bars are told in `hub_transfer` and `hub_catalogue`.
"""

from pathlib import Path

import hub_catalogue
import hub_transfer
from common import arguments, report


def main() -> None:
    """Runs both halves, or one."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", choices=("transfer", "catalogue"), help="one half alone")
    parser.add_argument("--mb", type=int, default=1000, help="size of the file in MB")
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--datasets", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10, help="how long each case is asked")
    parser.add_argument("--folder", type=Path, help="where filled Hubs are kept for another run")
    options = parser.parse_args()
    rows = []
    if options.only != "catalogue":
        rows += hub_transfer.measured(options.mb * 1_000_000, options.repeats)
    if options.only != "transfer":
        asked = (options.models, options.datasets, options.workers, options.seconds)
        rows += hub_catalogue.measured(*asked, options.folder)
    report("hub", rows, options.json)


if __name__ == "__main__":
    main()
