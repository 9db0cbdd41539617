"""An official cfg, as it is or for another number of classes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from converter.darknet.cfg import decode_cfg
from converter.darknet.classes import with_class_count
from converter.errors import UsageError, argument
from converter.files.target import make_folder, write_whole
from converter.official import MAX_CLASSES, OfficialCfg
from converter.operations.download import fetch
from converter.options import PathLike


def fetch_cfg(
    cfg: OfficialCfg, directory: PathLike, *, classes: int | None = None, force: bool = False
) -> Path:
    """Bring ``cfg`` into ``directory``, from the engine's repository, and check its hash.

    Args:
        cfg: one of ``official.official_cfgs``.
        directory: where to put it; made if it does not exist.
        classes: write it for so many, under a name that says so; default: as it is.
        force: replace another file of that name.

    Returns:
        The cfg.

    Raises:
        DownloadError: no server delivered it.
        OutputError: it cannot be put there.
        UsageError: it cannot be for so many classes.
    """
    if classes is None or classes == cfg.classes:
        return fetch(cfg.as_file(), directory, force=force).path
    if not cfg.slope:
        raise UsageError(
            f"{cfg.file} of {cfg.repository} has no classes to change",
            remedy=f"leave out {argument('--classes')}",
        )
    if not 1 <= classes <= MAX_CLASSES:
        raise UsageError(f"{classes} classes are not from 1 to {MAX_CLASSES:,}")
    target = Path(directory) / f"{cfg.file.removesuffix('.cfg')}-{classes}-classes.cfg"
    with TemporaryDirectory() as folder:
        text = decode_cfg(fetch(cfg.as_file(), folder).path.read_bytes())
    data = with_class_count(text, classes).encode()
    make_folder(target.parent, parents=True)
    write_whole(target, data, force=force)
    return target
