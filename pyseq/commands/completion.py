"""`completion SHELL`: a script that completes the commands of `pyseq`."""

from __future__ import annotations

import argparse
import shlex

from pyseq.commands import entry

_HOW = """\
To try it, in bash or zsh:  source <(pyseq completion bash)
                 in fish:  pyseq completion fish | source
To keep it, write what it prints into
  bash  ~/.local/share/bash-completion/completions/pyseq
  zsh   _pyseq in a directory of $fpath
  fish  ~/.config/fish/completions/pyseq.fish
"""


def add_arguments(parser):
    """Describe the command."""
    parser.description = "Print a script that completes the commands of pyseq in a shell."
    parser.epilog = _HOW
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "shell", metavar="SHELL", choices=sorted(SCRIPTS), help=", ".join(sorted(SCRIPTS))
    )


def run(options):
    """Print the script."""
    print(SCRIPTS[options.shell](_commands()), end="")
    return 0


def _commands():
    """`{command: (line about it, [(option, help)], what its argument may be, takes files)}`."""
    parser = entry.make_parser()
    (actions,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    made = {}
    for name, one in actions.choices.items():
        shown = [a for a in one._actions if a.help != argparse.SUPPRESS]
        options = [(o, a.help) for a in shown for o in a.option_strings if o.startswith("--")]
        choices = [c for a in shown if not a.option_strings for c in a.choices or ()]
        positional = any(not a.option_strings for a in shown)
        made[name] = (entry.COMMANDS[name], options, choices, positional and not choices)
    return made


def bash(commands):
    """The script for bash, from what `_commands` returns."""
    cases = [
        f"    {name}) words={shlex.quote(' '.join([*(o for o, _ in options), *choices]))} ;;"
        for name, (_, options, choices, _) in commands.items()
    ]
    return f"""\
_pyseq() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words
  case "${{COMP_WORDS[1]}}" in
{chr(10).join(cases)}
    *) words= ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words={shlex.quote(" ".join([*commands, "--help", "--version"]))}
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o bashdefault -o default -F _pyseq pyseq
"""


def zsh(commands):
    """The script for zsh, from what `_commands` returns."""

    def described(pairs):
        return " ".join(shlex.quote(f"{a}:{b.replace(':', ' -')}") for a, b in pairs)

    cases = []
    for name, (_, options, choices, files) in commands.items():
        lines = [f"      local -a options=({described(options)})"]
        lines.append(f"      _describe -o option options{'' if not files else ' && return'}")
        if choices:
            lines.append(f"      compadd -- {' '.join(choices)}")
        lines.append("      _files" if files or not choices else "")
        cases.append("\n".join([f"    {name})", *filter(None, lines), "      ;;"]))
    names = described((name, line) for name, (line, *_) in commands.items())
    return f"""\
#compdef pyseq
_pyseq() {{
  if (( CURRENT == 2 )); then
    local -a commands=({names})
    _describe command commands
    return
  fi
  case $words[2] in
{chr(10).join(cases)}
  esac
}}
if [ "$funcstack[1]" = _pyseq ]; then
  _pyseq "$@"
else
  compdef _pyseq pyseq
fi
"""


def fish(commands):
    """The script for fish, from what `_commands` returns."""
    first = "complete -c pyseq -n __fish_use_subcommand"
    lines = [f"{first} -f -a {name} -d {_fish(line)}" for name, (line, *_) in commands.items()]
    for name, (_, options, choices, files) in commands.items():
        here = f"complete -c pyseq -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{here} -l {option[2:]} -d {_fish(text)}" for option, text in options]
        if choices:
            lines.append(f"{here} -f -a '{' '.join(choices)}'")
        elif not files:
            lines.append(f"{here} -f")
    return "\n".join(lines) + "\n"


def _fish(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
