"""From the words on the command line to the command."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys

from pyseq._version import __version__
from pyseq.commands.failure import Failure

COMMANDS = {
    "demo": "train a network on handwritten digits, here and now",
    "info": "versions, instruction sets, threads, devices, packages",
    "summary": "the layers of a saved model",
    "convert": "write a saved model in another format",
    "ops": "what a small C++ build needs for a saved model",
    "check": "look for mistakes in a saved model and in data",
    "bench": "one minute of speed beside keras, torch, onnxruntime",
    "migrate": "rewrite old Keras scripts",
    "completion": "complete commands in bash, zsh or fish",
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def make_parser(names=tuple(COMMANDS)):
    """The parser of the command line.

    Args:
        names: the commands whose arguments it knows; their modules are imported.

    >>> make_parser(["info"]).parse_args(["info", "--json"]).json
    True
    """
    parser = Parser(
        prog=_program(),
        description="Commands around pyseq, the Keras Sequential model as a library of its own.",
        epilog="COMMAND --help tells of its arguments. Exit status: 0 where all is well, 1 where "
        "check or migrate found something, 2 for what could not be done.",
    )
    parser.add_argument("--version", action="version", version=f"pyseq {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    for name, line in COMMANDS.items():
        one = commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name in names:
            module = importlib.import_module(f"pyseq.commands.{name}")
            module.add_arguments(one)
            one.set_defaults(run=module.run, parser=one)
    return parser


def _program():
    """What the user has called."""
    return "python -m pyseq" if os.path.basename(sys.argv[0]) == "__main__.py" else "pyseq"


def _parsed(parser, arguments):
    """The options; one that is not known gets the nearest that is."""
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        one = options.parser
        near = difflib.get_close_matches(unknown[0], one._option_string_actions, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        one.error(f"got an unknown argument, {' '.join(unknown)}{hint}")
    return options


def _check_name(parser, name):
    if name in COMMANDS:
        return
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else f"commands are {', '.join(COMMANDS)}"
    parser.error(f"expected a command, got {name!r}; {hint}")


def main(arguments=None):
    """Run a command; returns its exit status.

    Args:
        arguments: the words behind `python -m pyseq`; None for those of this process.

    Raises:
        SystemExit: a wrong call (status 2), or `--help` and `--version` (0).

    >>> main(["migrate", "none.txt"])
    2
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a table's lines on an ASCII terminal
    name = next((word for word in arguments if not word.startswith("-")), None)
    called = _program() if name is None else f"{_program()} {name}"
    try:
        parser = make_parser([name])
        if name is not None:
            _check_name(parser, name)
        options = _parsed(parser, arguments)
        status = options.run(options)
        sys.stdout.flush()
        return status
    except Failure as failure:
        print(f"{called}: error: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{called}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `python -m pyseq summary a.keras | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
