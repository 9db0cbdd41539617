"""What a loaded model knows beside its tensors, and how it is shared with others."""

from collections.abc import Sequence
from typing import Any, Self

from torch import nn

from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DialectName
from converter.darknet.network import Network
from converter.options import PathLike


class FromDarknet(nn.Module):
    """A model, and what it knows of the checkpoint that it was loaded from.

    Attributes:
        metadata: what that checkpoint says of itself; None if there was none.
        network: the Darknet network, which ``replace_heads`` changes.
        dialect: whose darknet wrote the weights.
        names: class names, if known.
        input_size: (height, width) of the picture, in pixels.
        strides: pixels a cell, for each output map.
        anchors: (width, height) in pixels of the picture, for each output map.
        missing: tensors that the checkpoint did not have (``load(strict=False)`` only).
    """

    metadata: Metadata | None = None
    network: Network
    dialect: DialectName
    names: list[str] | None = None
    input_size: tuple[int, int]
    strides: Sequence[int] = ()
    anchors: Sequence[Sequence[tuple[float, float]]] = ()
    missing: Sequence[str] = ()

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

        return hub.fetch(cls, name, **options)

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
