"""Write a bill of materials (CycloneDX 1.6): what is in the wheel's environment, or in the image.

python deploy/release/sbom.py wheel FILE.whl SECONDS   the libraries that this Python has for it, as they are locked
python deploy/release/sbom.py image FOLDER SECONDS     the image's file system: Python libraries and Debian's packages

SECONDS is its date, such as the commit's (`git log -1 --format=%ct`): the same input gives the same bytes.
"""  # noqa: INP001 - a script, no package

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "github-enterprise-exporter"
Libraries = Mapping[str, Distribution]
"""By normalized name."""


def libraries(paths: Iterable[str]) -> Libraries:
    """What is installed in some folders, which need not be those of this Python."""
    return {canonicalize_name(one.name): one for one in distributions(path=list(paths))}


def needs(library: Distribution, extras: Iterable[str], python: str) -> Iterator[Requirement]:
    """What a library needs with some of its extras, on Linux and a version of Python such as 3.13."""
    for line in library.requires or ():
        requirement = Requirement(line)
        for extra in ("", *extras):
            environment = {"extra": extra, "python_version": python, "python_full_version": f"{python}.0"}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                yield requirement
                break


def needed(known: Libraries, root: str, python: str) -> set[str]:
    """The names of all that the root needs, and what that needs."""
    reached: set[tuple[str, frozenset[str]]] = set()
    todo: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    while todo:
        name, extras = todo.pop()
        if (name, extras) not in reached:
            reached.add((name, extras))
            todo += [(canonicalize_name(one.name), frozenset(one.extras)) for one in needs(known[name], extras, python)]
    return {name for name, _ in reached}


def stated(library: Distribution, *fields: str) -> str:
    """The first of some fields of its metadata that is there."""
    return next((text for field in fields for text in library.metadata.get_all(field) or ()), "")


def library_component(library: Distribution, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    """A Python library by its own metadata, whose field License is the whole text for some."""
    name = canonicalize_name(library.name)
    terms = stated(library, "License-Expression", "License")
    purl = PackageURL("pypi", None, name, library.version)
    return Component(
        type=kind,
        name=name,
        version=library.version,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseFactory().make_from_string(terms)] if terms and len(terms) <= 60 else [],
        description=stated(library, "Summary"),
    )


def debian_components(status: str, codename: str) -> Iterator[Component]:
    """Debian's packages, by the text of `/var/lib/dpkg/status`."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            qualifiers = {"arch": fields["Architecture"], "distro": codename}
            purl = PackageURL("deb", "debian", fields["Package"], fields["Version"], qualifiers)
            yield Component(
                type=ComponentType.LIBRARY,
                name=fields["Package"],
                version=fields["Version"],
                purl=purl,
                bom_ref=str(purl),
            )


def bill(subject: Component, known: Libraries, python: str, others: Iterable[Component] = ()) -> Bom:
    """All components with what they need, as far as it is there; an image needs each of them."""
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, str(subject.bom_ref)))
    bom.metadata.component = subject
    components = {name: library_component(library) for name, library in known.items()}
    for name, library in known.items():
        extras = library.metadata.get_all("Provides-Extra") or ()
        below = {canonicalize_name(one.name) for one in needs(library, extras, python)}
        source = subject if components[name].purl == subject.purl else components[name]
        bom.register_dependency(source, [components[one] for one in sorted(below & set(components))])
    own = [one for one in components.values() if one.purl != subject.purl]
    bom.components.update([*own, *others])
    if subject.purl is None:
        bom.register_dependency(subject, bom.components)
    return bom


def of_wheel(wheel: Path) -> Bom:
    """The wheel and the libraries that this Python has for it."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    installed = libraries(sys.path)
    known = {name: installed[name] for name in needed(installed, NAME, python)}
    subject = library_component(installed[NAME], ComponentType.APPLICATION)
    subject.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(wheel.read_bytes()).hexdigest()))
    return bill(subject, known, python)


def of_image(root: Path) -> Bom:
    """The image, by its file system."""
    (site,) = root.glob("opt/exporter/lib/python*/site-packages")
    known = libraries([str(site)])
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', (root / "usr/lib/os-release").read_text(), re.MULTILINE))
    codename = f"debian-{release['VERSION_ID']}"
    others = list(debian_components((root / "var/lib/dpkg/status").read_text(), codename))
    for header in root.glob("usr/local/include/python*/patchlevel.h"):
        version = re.findall(r'#define PY_VERSION\s+"(.+)"', header.read_text())[0]
        purl = PackageURL("generic", None, "python", version)
        others.append(
            Component(type=ComponentType.PLATFORM, name="python", version=version, purl=purl, bom_ref=str(purl))
        )
    version = known[NAME].version
    subject = Component(type=ComponentType.CONTAINER, name=NAME, version=version, bom_ref=f"{NAME}-image@{version}")
    return bill(subject, known, site.parent.name.removeprefix("python"), others)


def main(arguments: list[str]) -> None:
    """Print the bill."""
    kind, path, seconds = arguments
    bom = {"wheel": of_wheel, "image": of_image}[kind](Path(path))
    bom.metadata.timestamp = datetime.fromtimestamp(int(seconds), UTC)
    sys.stdout.write(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
