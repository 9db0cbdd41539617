"""Tianxiaomo/pytorch-YOLOv4's converter, which builds what a cfg says: ``models.0.conv1.weight``.

tool/darknet2pytorch.py@01fd7502:240-360; PyPI darknet2any has the same names. Convolutions are
counted from 1, in file order. Its class ``Yolov4`` has other names: ``tianxiaomo-class``.
"""

from converter.darknet.network import Network
from converter.families.base import Naming
from converter.families.porting import convolutions, name_convolutions, port, reads, require_options

READ = reads(
    avgpool="",
    region="classes num coords softmax anchors",
    route="groups group_id",
    softmax="groups",
)


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that the port would build otherwise.
    """
    require_options(network, READ, ("leaky", "linear", "mish", "relu"), "pytorch-YOLOv4")
    places = (
        (f"models.{index}.conv{ordinal}", f"models.{index}.bn{ordinal}")
        for ordinal, index in enumerate(convolutions(network), start=1)
    )
    return name_convolutions(FAMILY.name, network, places)


FAMILY = port("tianxiaomo", "Tianxiaomo/pytorch-YOLOv4's Darknet class", name_layers)
