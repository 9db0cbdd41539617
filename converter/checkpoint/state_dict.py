"""The tensors of a network in a PyTorch file, wherever its training program put them.

What torch.save was given may be a state dict, one wrapped in dicts beside the optimizer and other
things, or the module itself, whose class need not exist here: a module's state names its parts.

Sources: pytorch@cf30153 torch/nn/modules/module.py (``_save_to_state_dict``, ``state_dict``);
ultralytics/yolov3@19169be models/experimental.py (``ckpt.get("ema") or ckpt["model"]``);
pytorch-image-models@021a523 timm/utils/checkpoint_saver.py (``state_dict_ema``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from converter.checkpoint.header import is_counter, prefixes
from converter.errors import CheckpointError
from converter.files.pickled import STATE_DICT_ALONE, Inert
from converter.files.torch_file import TorchFile
from converter.files.torch_objects import MOST_TIMES, StoredTensor
from converter.records import dataclass

# What wraps a state dict, the best one first. An exponential moving average of the weights (EMA) is
# what such programs evaluate and deploy. mmengine's ``ema_state_dict`` is not in the list: it swaps
# the two when it saves (mmengine@02f1880 hooks/ema_hook.py, ``_swap_ema_state_dict``).
AVERAGES = ("ema", "state_dict_ema")
WRAPPERS = (*AVERAGES, "model", "state_dict", "model_state_dict")
MOST_WRAPPERS = 4
MOST_CLASSES = 10_000  # 9,418 are the most that are published
MOST_NAMES = 1 << 20  # characters; a network of 500 tensors has 20,000

# The attributes of a module that hold its tensors and its modules.
_PARTS = ("_parameters", "_buffers", "_modules")

_Found = tuple[tuple[str, ...], tuple[str, ...], dict[Any, Any] | Inert]


@dataclass(frozen=True, kw_only=True)
class StateDict:
    """What a PyTorch file holds of a network.

    Attributes:
        tensors: name -> tensor, in the order of the file, without those that only count, and
            without what all names began with: "module.".
        wrappers: the keys that lead to them, the outermost first: ("ema",); none if the file is
            the state dict, or the module, itself.
        passed: the keys beside a wrapper under which there may be others, which were not taken.
        module: the class of the pickled module, "models.yolo.DetectionModel"; None if it is a dict.
        class_names: those that the module has; None if there are none.
    """

    tensors: Mapping[str, StoredTensor]
    wrappers: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    module: str | None = None
    class_names: list[str] | None = None

    @property
    def averaged(self) -> bool:
        """Whether they are an exponential moving average of the weights."""
        return any(wrapper in AVERAGES for wrapper in self.wrappers)


def find_state_dict(file: TorchFile) -> StateDict:
    """The state dict in ``file``.

    Raises:
        CheckpointError: it has none; or its tensors, of which several may show the same values, are
            together more than ``MOST_TIMES`` the file.
    """
    found = _search(file.tree, (), set())
    if found is None:
        raise CheckpointError(
            f"holds no tensors by name, neither at its top nor under {', '.join(WRAPPERS)}",
            path=file.source.path,
            remedy="save them: torch.save(model.state_dict(), PATH)",
        )
    wrappers, passed, holder = found
    try:
        named = dict(_parts(holder)) if isinstance(holder, Inert) else holder
    except ValueError as error:
        raise CheckpointError(str(error), path=file.source.path, remedy=STATE_DICT_ALONE) from error
    kept = {
        name: value
        for name, value in named.items()
        if _is_tensor(name, value) and not is_counter(name)
    }
    if sum(value.bytes for value in kept.values()) > MOST_TIMES * file.source.size:
        raise CheckpointError(
            f"has tensors of more than {MOST_TIMES} times its size", path=file.source.path
        )
    *_, prefix = prefixes(kept)
    return StateDict(
        tensors={name.removeprefix(prefix): value for name, value in kept.items()},
        wrappers=wrappers,
        passed=passed,
        module=holder.name if isinstance(holder, Inert) else None,
        class_names=_class_names(holder.state.get("names")) if isinstance(holder, Inert) else None,
    )


def _is_tensor(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, StoredTensor)


def _is_module(value: Any) -> TypeGuard[Inert]:
    """Whether it is an object with the attributes of every torch.nn.Module."""
    if not isinstance(value, Inert) or not isinstance(value.state, dict):
        return False
    return all(isinstance(value.state.get(kind), dict) for kind in _PARTS)


def _search(value: Any, wrappers: tuple[str, ...], fruitless: set[int]) -> _Found | None:
    """The keys that lead to tensors, those that were not tried after that, and what has them."""
    if _is_module(value):
        return wrappers, (), value
    # A state other than a module's: of an object that keeps an average, for example.
    inner = value.state if isinstance(value, Inert) else value
    if not isinstance(inner, dict) or len(wrappers) > MOST_WRAPPERS or id(inner) in fruitless:
        return None
    ways = [key for key in WRAPPERS if isinstance(inner.get(key), dict | Inert)]
    for number, key in enumerate(ways):
        found = _search(inner[key], (*wrappers, key), fruitless)
        if found:
            return found if found[1] else (found[0], tuple(ways[number + 1 :]), found[2])
    if inner is value and any(_is_tensor(*item) for item in inner.items()):
        return wrappers, (), inner
    fruitless.add(id(inner))
    return None


def _parts(module: Inert) -> Iterator[tuple[str, Any]]:
    """The parameters and buffers of a module and its modules, as its ``state_dict`` has them.

    Raises:
        ValueError: they have more than ``MOST_NAMES`` characters of names, as they do where a
            module contains itself.
    """
    waiting, left = [("", module)], MOST_NAMES
    while waiting:
        prefix, part = waiting.pop()
        hidden = part.state.get("_non_persistent_buffers_set")
        hidden = {key for key in hidden if type(key) is str} if type(hidden) is list else set()
        left -= len(hidden)
        inside = []
        for kind in _PARTS:
            for key, value in part.state[kind].items():
                name = f"{prefix}{key}"
                left -= len(name) + 1
                if left < 0:
                    raise ValueError(f"has modules with more than {MOST_NAMES:,} letters of names")
                if _is_module(value):
                    inside.append((f"{name}.", value))
                elif value is not None and (kind != "_buffers" or key not in hidden):
                    yield name, value
        waiting += reversed(inside)


def _class_names(names: Any) -> list[str] | None:
    """A list of names, or a dict from label to name, as ultralytics' models have; else None."""
    if isinstance(names, dict) and list(names) == list(range(len(names))):
        names = list(names.values())
    if not isinstance(names, list) or not 0 < len(names) <= MOST_CLASSES:
        return None
    is_line = [isinstance(n, str) and n.isprintable() and n.strip() == n != "" for n in names]
    return names if all(is_line) else None
