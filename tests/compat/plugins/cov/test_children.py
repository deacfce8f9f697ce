# SPDX-License-Identifier: MIT
import multiprocessing
import subprocess
import sys

import pytest

from lib import calc


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=calc.in_child, args=(queue,))
    process.start()
    assert queue.get() == 3
    process.join()


@pytest.mark.parametrize("arguments", [[], ["x"]])
def test_subprocess(arguments):
    done = subprocess.run([sys.executable, "-m", "lib.script", *arguments], stdout=subprocess.PIPE, check=True)
    assert done.stdout
