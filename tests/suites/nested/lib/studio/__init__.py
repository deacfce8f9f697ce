# SPDX-License-Identifier: MIT
"""The code under test: a little library for batch processing of media assets."""
