import pytest

from workers.imaging.ext4_tools import Ext4Identity, make_ext4

NOW = 1_704_067_200
IDENTITY = Ext4Identity("data", bytes(range(16)), bytes(range(16, 32)))


@pytest.fixture
def ext4(tmp_path):
    """Makes an empty ext4 in an image: `ext4(size, offset=…, name=…)` gives its path."""

    def make(size=32 << 20, *, offset=3 << 20, name="img", inodes=None):
        image = tmp_path / name
        with image.open("xb") as file:
            file.truncate(offset + size)
        make_ext4(image, offset, size, IDENTITY, now=NOW, inodes=inodes)
        return image

    return make
