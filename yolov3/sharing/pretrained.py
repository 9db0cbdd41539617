"""What every model has from here: folders and repositories of the Hugging Face Hub."""

from typing import Any, Self

from converter.checkpoint.checkpoint import Checkpoint, native_plan
from converter.errors import CheckpointError
from converter.options import PathLike
from yolov3.base import FromDarknet


class Pretrained(FromDarknet):
    """A model that can be shared.

    The package huggingface_hub is imported by the first call that needs it.
    """

    @classmethod
    def from_pretrained(cls, name: PathLike, **options: Any) -> Self:
        """The model of a folder or of a repository on the Hugging Face Hub.

        Args:
            name: folder, or "owner/name".
            options: those of ``load`` (bn, device, dtype, strict), and for a repository those of
                ``huggingface_hub.hf_hub_download`` (revision, token, cache_dir, force_download,
                local_files_only).

        Raises:
            DownloadError: the Hub does not give it.
            CheckpointError: it is not a checkpoint of ours, or one of another class.
        """
        from yolov3.sharing import hub

        fetching = {key: options.pop(key) for key in hub.FETCHING & options.keys()}
        stored = Checkpoint.open(hub.fetch(name, **fetching))
        held = native_plan(stored.plan).naming.model
        if held not in (known.__name__ for known in cls.__mro__):
            raise CheckpointError(
                f"holds a {held}, not a {cls.__name__}",
                path=name,
                remedy=f"use {held}.from_pretrained",
            )
        return cls.from_checkpoint(stored, **options)

    def save_pretrained(self, folder: PathLike, *, licence: str | None = None) -> None:
        """Write ``model.safetensors``, ``config.json`` and a model card to ``folder``.

        A card that is there already is kept.

        Args:
            folder: where to; it is made if it is not there.
            licence: the Hub's name of the weights' licence, if you know it.

        Raises:
            CheckpointError: the model cannot go back to Darknet.
            OutputError: the folder cannot be written.
        """
        from yolov3.sharing import hub

        hub.write(self, folder, licence)

    def push_to_hub(self, repo_id: str, *, licence: str | None = None, **options: Any) -> str:
        """Make the repository ``repo_id`` if need be, and commit what ``save_pretrained`` writes.

        Args:
            repo_id: "owner/name".
            licence: as for ``save_pretrained``.
            options: those of ``huggingface_hub.ModelHubMixin.push_to_hub`` (commit_message,
                private, token, branch, create_pr, ...).

        Returns:
            The address of the commit.

        Raises:
            CheckpointError: the model cannot go back to Darknet.
            OutputError: the Hub does not take it.
        """
        from yolov3.sharing import hub

        return hub.push(self, repo_id, licence, **options)
