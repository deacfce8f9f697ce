# SPDX-License-Identifier: MIT
"""`shunt scan` and `shunt mark`: what the sources of a test suite say, and markers as a patch. Nothing here imports or
executes code of the project; it is parsed, by the interpreter that runs it."""
