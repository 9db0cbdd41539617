"""PyTorch-YOLOv3, which builds what a cfg says: ``module_list.0.conv_0.weight``, ...

PyPI pytorchyolo 1.8.0 (eriklindernoren/PyTorch-YOLOv3) pytorchyolo/models.py:49-103;
ayooshkathuria/pytorch-yolo-v3 has the same names.
"""

from converter.darknet.network import Network
from converter.families.base import Naming
from converter.families.porting import (
    convolutions,
    name_convolutions,
    pool_note,
    port,
    reads,
    require_options,
)

# Constants of its heads.
EXTRAS = r"module_list\.\d+\.yolo_\d+\.(anchors|anchor_grid)"
NOTE = (
    "PyTorch-YOLOv3's load_model() also wants the anchors, which it builds from the cfg anyway:"
    " model.load_state_dict(torch.load(PATH), strict=False) does without"
)
READ = reads(route="groups group_id", yolo="new_coords")


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that the port would build otherwise.
    """
    require_options(
        network, READ, ("leaky", "linear", "logistic", "mish", "swish"), "PyTorch-YOLOv3"
    )
    places = (
        (f"module_list.{i}.conv_{i}", f"module_list.{i}.batch_norm_{i}")
        for i in convolutions(network)
    )
    note = "; ".join(filter(None, (NOTE, pool_note(network, "PyTorch-YOLOv3"))))
    return name_convolutions(FAMILY.name, network, places, extras=EXTRAS, note=note)


FAMILY = port("pytorchyolo", "eriklindernoren/PyTorch-YOLOv3", name_layers)
