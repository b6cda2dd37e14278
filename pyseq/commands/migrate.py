"""`migrate PATH...`: old Keras scripts in the spelling of today, by `pyseq.migrate`."""

from __future__ import annotations

from pyseq.commands.failure import told
from pyseq.migrate.files import ENDINGS, migrate_file, scripts_in


def add_arguments(parser):
    """Describe the command."""
    parser.description = (
        "Rewrite old Keras scripts (1.x, 2.x, tf.keras) for pyseq. Without --write, show the "
        "changes and what is left to do by hand."
    )
    parser.epilog = "Exit status: 0 where nothing is left to do, 1 where something is."
    parser.add_argument("paths", nargs="+", metavar="PATH", help=f"a folder, or {ENDINGS}")
    parser.add_argument("--write", action="store_true", help="change the files in place")


def run(options):
    """Show or make the changes."""
    with told():
        paths = {path: None for given in options.paths for path in scripts_in(given)}
    changed, remains = 0, []
    for path in paths:
        try:
            outcome = migrate_file(path)
            if options.write:
                outcome.write()
                outcome.remains = outcome.moved
        except OSError as error:
            remains.append(f"{path}:1: {error}")
            continue
        changed += outcome.content is not None
        remains += outcome.remains
        if not options.write:
            print(outcome.diff, end="")
    if remains:
        print("Left to do by hand:")
        print(*remains, sep="\n")
    verb = "changed" if options.write else "would change"
    print(f"{verb} {changed} of {len(paths)} files; {len(remains)} places left")
    return 1 if remains else 0
