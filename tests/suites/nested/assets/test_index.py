# SPDX-License-Identifier: MIT
"""The index that is built over all assets."""
import contextlib
import mmap

from studio import assets

MIB = 1 << 20


def test_index_by_kind(tmp_path):
    for name in ("a.png", "b.wav", "c.png"):
        (tmp_path / name).touch()
    index = {}
    for path, kind, _ in assets.discover(tmp_path):
        index.setdefault(kind, []).append(path)
    assert index == {"image": ["a.png", "c.png"], "sound": ["b.wav"]}


def test_index_of_a_large_tree():
    """Misuse: 700 MiB at once, every page of it touched. Right, where there is room."""
    table = mmap.mmap(-1, 700 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):
        table.madvise(mmap.MADV_HUGEPAGE)  # fewer faults, where the kernel has huge pages
    for offset in range(0, len(table), mmap.PAGESIZE):
        table[offset] = 1
    assert table[-mmap.PAGESIZE] == 1
    table.close()


def test_index_is_sorted(tmp_path):
    for i in reversed(range(20)):
        (tmp_path / f"{i:02}.txt").touch()
    names = [path for path, _, _ in assets.discover(tmp_path)]
    assert names == sorted(names)
