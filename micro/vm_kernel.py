"""Debian's kernel for micro/vm: fetched as a package, of which a few files are unpacked. Nothing is installed."""

import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from waitbench import Failure
from waitbench.base import process

# It depends on the newest kernel. Not the smaller cloud kernel: that one has no 9p, and so no folders of the host.
NEWEST = "linux-image-amd64"
# Modules of the kernel that the machine needs: the devices, folders of the host, and the overlay. A release may have
# built in one of them, or joined two.
MODULES = (
    "virtio virtio_ring virtio_pci virtio_pci_legacy_dev virtio_pci_modern_dev virtio_console virtio-rng "
    "netfs fscache 9pnet 9pnet_virtio 9p overlay"
).split()


class Kernel:
    """The files in that folder. They are complete when there is an image."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.image, self.busybox, self.modules = (folder / name for name in ("vmlinuz", "busybox", "modules"))

    def fetch(self) -> None:
        """Raises Failure when apt cannot."""
        self.folder.mkdir(parents=True, exist_ok=True)
        depends = _output(["apt-cache", "depends", NEWEST])
        newest = re.search(r"Depends: (linux-image-\S+)", depends)
        if not newest:
            raise Failure(f"apt knows no package {NEWEST}: apt-get update, then try again")
        names = [newest[1], "busybox-static"]
        print(f"micro/vm: fetching Debian's packages {' and '.join(names)}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=self.folder) as name:
            new = Path(name)
            _output(["apt-get", "-qq", "download", *names], new)
            (new / "modules").mkdir()
            for package in new.glob("*.deb"):
                _unpack(package, new)
            self._replace(new)

    def _replace(self, new: Path) -> None:
        for path in (self.image, self.busybox):
            if not (new / path.name).exists():
                raise Failure(f"Debian's packages have no {path.name} where one was expected")
        self.image.unlink(missing_ok=True)
        shutil.rmtree(self.modules, ignore_errors=True)
        for path in (self.modules, self.busybox, self.image):
            (new / path.name).rename(path)


def _unpack(package: Path, new: Path) -> None:
    words = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as reading:
        with tarfile.open(fileobj=reading.stdout, mode="r|") as archive:
            for member in archive:
                place = _place(PurePosixPath(member.name))
                found = archive.extractfile(member) if place and member.isfile() else None
                if place and found:
                    data = found.read()
                    (new / place).write_bytes(lzma.decompress(data) if member.name.endswith(".xz") else data)
                    (new / place).chmod(0o755)


def _place(path: PurePosixPath) -> str | None:
    """Where a file of a package belongs; None when it is not wanted."""
    module, _, suffix = path.name.partition(".ko")
    if suffix in ("", ".xz") and module in MODULES and module != path.name:
        return f"modules/{module}.ko"
    if path.name.startswith("vmlinuz-"):
        return "vmlinuz"
    return "busybox" if path.parent.name == "bin" and path.name == "busybox" else None


def _output(words: list[str], folder: Path | None = None) -> str:
    try:
        return process.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise Failure(f"there is no {words[0]}: the kernel comes from Debian's packages") from None
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if not line.startswith("W:")]
        raise Failure(f"{words[0]} failed: {' '.join(lines[-2:])} (apt-get update may help)") from None
