"""Models as folders and as repositories of the Hugging Face Hub.

``huggingface_hub``'s mixin pushes; ``Hosted`` shows it what our files are. The models do not
inherit from the mixin themselves, so that importing ``yolov3`` does not import it. Reading goes
without it: all that a model is built from stands in its one safetensors file.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from converter.checkpoint.metadata import Metadata
from converter.errors import (
    DarknetError,
    DownloadError,
    ExtraError,
    OutputError,
    first_line,
    install,
)
from converter.options import FILE_NAME, PathLike
from yolov3.base import FromDarknet
from yolov3.saving import metadata_of, plan_of, write_checkpoint
from yolov3.sharing.card import card
from yolov3.sharing.facts import LIBRARY, facts_of

try:
    from huggingface_hub import ModelCard, ModelCardData, ModelHubMixin, hf_hub_download

    # HTTPError is that of the HTTP library that the installed version is built on.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
except ModuleNotFoundError:
    raise ExtraError(
        "the Hugging Face Hub needs the package huggingface_hub",
        remedy=install("hub"),
    ) from None

CARD_NAME = "README.md"
CONFIG_NAME = "config.json"
FETCHING = {"revision", "token", "cache_dir", "force_download", "local_files_only"}

log = logging.getLogger("yolov3")


class Hosted(ModelHubMixin):
    """A model as ``huggingface_hub`` pushes it: the folder that ``write`` makes.

    Its own way to write one removes the old configuration first, and a full disk leaves the rest.
    """

    def __init__(self, model: FromDarknet, licence: str | None = None) -> None:
        self.model = model
        self.licence = licence

    def _save_pretrained(self, save_directory: Path) -> None:
        write(self.model, save_directory, self.licence)


def fetch(name: PathLike, **options: Any) -> PathLike:
    """The checkpoint of a folder or repository, as a file here; see ``from_pretrained``."""
    if os.path.isdir(name):
        return Path(name, FILE_NAME)
    with _errors(DownloadError, f"{os.fspath(name)} cannot be had from the Hub"):
        path: str = hf_hub_download(os.fspath(name), FILE_NAME, **options)
    return path


def write(model: FromDarknet, folder: PathLike, licence: str | None) -> None:
    """Write the folder of a model, all of its files or none; see ``save_pretrained``."""
    metadata = metadata_of(model)  # refuses before there is a folder
    place = Path(folder)
    beside = {place / CONFIG_NAME: json.dumps(facts_of(model), sort_keys=True, indent=2).encode()}
    if (place / CARD_NAME).exists():
        log.warning("%s is kept as it was", place / CARD_NAME)
    else:
        beside[place / CARD_NAME] = _card(model, metadata, licence).encode()
    with _errors(OutputError, f"{os.fspath(folder)} cannot be written"):
        place.mkdir(parents=True, exist_ok=True)
        write_checkpoint(model, place / FILE_NAME, metadata, beside)


def _card(model: FromDarknet, metadata: Metadata, licence: str | None) -> str:
    """The model card with its front matter."""
    detects = any(node.layer.is_head for node in model.network.outputs)
    data = ModelCardData(
        library_name=LIBRARY,
        license=licence,
        pipeline_tag="object-detection" if detects else "image-classification",
        tags=["darknet", "model_hub_mixin", "pytorch"],
    )
    floats = sum(slot.floats for slot in plan_of(model).tensors)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{card(model, metadata, floats, licence)}"))


def push(model: FromDarknet, repo_id: str, licence: str | None, **options: Any) -> str:
    """Commit the folder of a model to a repository; see ``push_to_hub``."""
    metadata_of(model)  # refuses before there is a repository
    with _errors(OutputError, f"{repo_id} cannot be pushed to the Hub"):
        return str(Hosted(model, licence).push_to_hub(repo_id, **options))


@contextmanager
def _errors(kind: type[DarknetError], what: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one line."""
    try:
        yield
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        raise kind(f"{what}: {first_line(error)}") from error
