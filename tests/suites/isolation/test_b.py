# SPDX-License-Identifier: MIT
import unsafe


def test_port(meet):
    unsafe.serve("b", meet)


def test_files(meet):
    unsafe.keep("b", meet)
