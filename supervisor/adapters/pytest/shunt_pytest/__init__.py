# SPDX-License-Identifier: MIT
"""The pytest side of shunt: collects once, forks workers, shows judged results.

entry.py has pytest's hooks; shunt_plugin.py beside this package lets them in. The protocol is in shunt's docs/protocol.md.
"""
