"""Commands of `python -m pyseq`, one a file.

To add one, write its name and a line about it into `entry.COMMANDS`, and a module of that name:
`add_arguments(parser)` describes it, `run(options)` does it and returns the exit status: 0, or 1
where the command was there to find something and has. What the caller has to mend is a `Failure`:
one line, and status 2. A module is imported when its command is called.

>>> from pyseq.commands.entry import COMMANDS
>>> COMMANDS["info"]
'versions, instruction sets, threads, devices, packages'
"""
