"""PyTorch-YOLOv3, which builds what a cfg says: ``module_list.0.conv_0.weight``, ...

PyPI pytorchyolo 1.8.0 (eriklindernoren/PyTorch-YOLOv3) pytorchyolo/models.py:49-103;
ayooshkathuria/pytorch-yolo-v3 has the same names.
"""

from converter.darknet.network import Network
from converter.families import porting
from converter.families.base import Naming

# Constants of its heads.
EXTRAS = r"module_list\.\d+\.yolo_\d+\.(anchors|anchor_grid)"
NOTE = (
    "PyTorch-YOLOv3's load_model() also wants the anchors, which it builds from the cfg anyway:"
    " model.load_state_dict(torch.load(PATH), strict=False) does without"
)
READ = porting.reads(route="groups group_id", yolo="new_coords")
ACTIVATIONS = ("leaky", "linear", "logistic", "mish", "swish")


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that the port would build otherwise.
    """
    porting.require_options(network, READ, ACTIVATIONS, "PyTorch-YOLOv3")
    places = (
        (f"module_list.{i}.conv_{i}", f"module_list.{i}.batch_norm_{i}")
        for i in porting.convolutions(network)
    )
    note = "; ".join(filter(None, (NOTE, porting.pool_note(network, "PyTorch-YOLOv3"))))
    return porting.name_convolutions(FAMILY.name, network, places, extras=EXTRAS, note=note)


FAMILY = porting.port("pytorchyolo", "eriklindernoren/PyTorch-YOLOv3", name_layers)
