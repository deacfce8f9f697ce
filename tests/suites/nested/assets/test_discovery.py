# SPDX-License-Identifier: MIT
"""Races of asset discovery with those who change the tree."""
import threading

import pytest
from studio import assets, parallel


def plant(root, count, suffix=".png"):
    for i in range(count):
        directory = root / f"d{i % 5}"
        directory.mkdir(exist_ok=True)
        (directory / f"a{i:03}{suffix}").write_bytes(b"x" * i)


@pytest.mark.parametrize(
    "name, kind",
    [("a.png", "image"), ("B.JPG", "image"), ("c.wav", "sound"), ("d.txt", "text"), ("e", "other")],
)
def test_kind(name, kind):
    assert assets.kind_of(name) == kind


def test_empty_tree(tmp_path):
    assert assets.discover(tmp_path) == []


def test_finds_everything(tmp_path):
    plant(tmp_path, 60)
    found = assets.discover(tmp_path)
    assert len(found) == 60
    assert sum(size for _, _, size in found) == sum(range(60))


@pytest.mark.parametrize("readers", [2, 8])
def test_readers_agree(tmp_path, readers):
    plant(tmp_path, 40)
    seen = parallel.ordered_map(lambda _: assets.discover(tmp_path), range(readers), readers)
    assert all(found == seen[0] for found in seen)


def test_files_that_vanish_meanwhile(tmp_path):
    plant(tmp_path, 200)
    doomed = sorted(tmp_path.glob("*/*.png"))[::2]
    vandal = threading.Thread(target=lambda: [path.unlink() for path in doomed])
    vandal.start()
    for _ in range(10):
        assert len(assets.discover(tmp_path)) >= 100
    vandal.join()
    assert len(assets.discover(tmp_path)) == 100


def test_files_that_appear_meanwhile(tmp_path):
    plant(tmp_path, 50)
    gardener = threading.Thread(target=plant, args=(tmp_path, 150, ".ogg"))
    gardener.start()
    found = [assets.discover(tmp_path) for _ in range(5)][-1]
    gardener.join()
    assert len(found) >= 50
    assert len(assets.discover(tmp_path)) == 200
