"""One judge from one folder: terms, thresholds and model belong together, are read together, and are refused together."""

import hashlib
from pathlib import Path

from services.router.evidence import Observer
from services.router.judgement import Judge
from services.router.model import FILE as MODEL
from services.router.model import ModelError, read_model
from services.router.places import Gazetteer
from services.router.rules import FILES as TERMS
from services.router.rules import PACKAGED, RuleError, read_rules
from services.router.thresholds import FILE as THRESHOLDS
from services.router.thresholds import ThresholdError, read_thresholds
from shared.units import UNIT_SLUGS, UnitDirectory

FILES = (*TERMS, THRESHOLDS, MODEL)
GAZETTEER = ("offices.toml", "places.toml")


def read_folder(folder: Path = PACKAGED) -> dict[str, bytes]:
    """The files of a rule set. Raises RuleError for one that is missing."""
    try:
        return {name: (folder / name).read_bytes() for name in FILES}
    except OSError as error:
        raise RuleError(f"{Path(error.filename or folder).name}: {error.strerror or error}") from None


def read_judge(files: dict[str, bytes], directory: UnitDirectory) -> Judge:
    """Raises RuleError, naming file and entry; there is no half-loaded judge. `version` ends in a hash of all that it judges by: the
    files, and the gazetteer, which comes with the release."""
    rules = read_rules(files)
    observer = Observer(rules, directory)
    try:
        thresholds = read_thresholds(files[THRESHOLDS], UNIT_SLUGS)
        model = read_model(files[MODEL], observer.cue_names)
    except (ThresholdError, ModelError) as error:
        raise RuleError(str(error)) from None
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(files[name])
    for name in GAZETTEER:
        digest.update((PACKAGED / name).read_bytes())
    version = f"{rules.version}+{digest.hexdigest()[:8]}"
    return Judge(rules, model, thresholds, observer, Gazetteer(directory), version)


def load_judge(directory: UnitDirectory, folder: Path = PACKAGED) -> Judge:
    return read_judge(read_folder(folder), directory)
