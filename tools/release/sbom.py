"""A software bill of materials: what an installation of the wheel consists of, as CycloneDX 1.6 JSON.

What is installed is asked of pip (``pip inspect``, the installation report of PyPA) in an environment of its own.
"""

import json
import tempfile
import uuid
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools.release.errors import ReleaseError
from tools.release.run import run

_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122 appendix C, URLs
_TOOLS = {"pip", "setuptools", "wheel"}


def sbom_of_wheel(wheel: Path, digest: str, *, extras: str = "local") -> bytes:
    """Install the wheel with its dependencies and describe what is there. Raises ReleaseError."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        run(Path(folder), python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{wheel}[{extras}]")
        return sbom(json.loads(run(Path(folder), python, "-m", "pip", "inspect", "--local")), wheel.name, digest)


def sbom(inspected: Mapping[str, Any], wheel: str, digest: str) -> bytes:
    """Describe what ``pip inspect`` found: the wheel as the main component, the rest as what it depends on."""
    name = wheel.partition("-")[0].replace("_", "-")
    packages = [one["metadata"] for one in inspected["installed"]]
    others = sorted((one for one in packages if _normal(one["name"]) not in {name, *_TOOLS}), key=_sort_key)
    main = [one for one in packages if _normal(one["name"]) == name]
    if len(main) != 1:
        raise ReleaseError(f"{wheel} was not installed")
    hashes = [{"alg": "SHA-256", "content": digest}]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {"component": {**_component(main[0]), "type": "application", "hashes": hashes}},
        "components": [_component(one) for one in others],
        "dependencies": list(_dependencies([*main, *others])),
    }
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _component(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return _licenses(metadata) | {
        "type": "library",
        "bom-ref": _purl(metadata),
        "purl": _purl(metadata),
        "name": metadata["name"],
        "version": metadata["version"],
    }


def _licenses(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The licence as the package states it: an SPDX expression (PEP 639), else a line of text, else its classifiers."""
    if expression := metadata.get("license_expression"):
        return {"licenses": [{"expression": expression}]}
    text = metadata.get("license", "")
    stated = [text] if text and "\n" not in text else []
    for classifier in () if stated else metadata.get("classifier", ()):
        if classifier.startswith("License :: "):
            stated.append(classifier.rpartition(" :: ")[2])
    return {"licenses": [{"license": {"name": name}} for name in stated]} if stated else {}


def _dependencies(packages: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Who needs whom, of those that are installed (metadata's Requires-Dist names others too)."""
    packages = list(packages)
    known = {_normal(one["name"]): _purl(one) for one in packages}
    for one in packages:
        wanted = {_normal(_project(line)) for line in one.get("requires_dist", ())}
        yield {"ref": _purl(one), "dependsOn": sorted(known[name] for name in wanted & known.keys())}


def _project(requirement: str) -> str:
    """The name at the start of a requirement (PEP 508)."""
    end = next((at for at, char in enumerate(requirement) if not (char.isalnum() or char in "-_.")), len(requirement))
    return requirement[:end]


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _purl(metadata: Mapping[str, Any]) -> str:
    return f"pkg:pypi/{_normal(metadata['name'])}@{metadata['version']}"


def _sort_key(metadata: Mapping[str, Any]) -> str:
    return _normal(metadata["name"])
