# SPDX-License-Identifier: MIT
import unsafe


def test_port(meet):
    unsafe.serve("a", meet)


def test_files(meet):
    unsafe.keep("a", meet)
