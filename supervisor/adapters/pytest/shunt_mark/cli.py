# SPDX-License-Identifier: MIT
"""The command lines that `shunt scan` and `shunt mark` hand on; their options are in supervisor/cli/cmd_scan.c
and cmd_mark.c."""
import argparse
import os
import sys
from typing import List


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="shunt", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    scan = commands.add_parser("scan", allow_abbrev=False)
    scan.add_argument("--all", action="store_true")
    scan.add_argument("--json", action="store_true")
    scan.add_argument("--exit-zero", action="store_true")
    scan.add_argument("--root")
    scan.add_argument("paths", nargs="*")
    mark = commands.add_parser("mark", allow_abbrev=False)
    mark.add_argument("--from", dest="source", required=True)
    mark.add_argument("--write", action="store_true")
    mark.add_argument("--marker", default="parallel_unsafe")
    return parser


def main(argv: List[str]) -> int:
    options = _parser().parse_args(argv)
    # Names of files may be anything; what is printed is made printable before.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if options.command == "scan":
            from .scan import scan_main

            status = scan_main(options)
        else:
            from .mark import mark_main

            status = mark_main(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever reads has enough; the interpreter's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 2
