"""LibreYOLO, which builds what a cfg says: ``yolo3.layers.0.conv.weight``, ....

PyPI libreyolo 1.6.0 libreyolo/models/darknet/net.py, family.py:44-99. It knows which network a
checkpoint is of by the number of its convolutions (yolo3/model.py, yolo4/model.py).
"""

from converter.darknet.network import Network
from converter.errors import FamilyError
from converter.families import porting
from converter.families.base import Naming
from converter.families.matching import remedy

# Convolutions -> the attribute that holds the network: yolov3-tiny, yolov3, -spp; v4-tiny, v4.
ATTRIBUTES = {13: "yolo3", 75: "yolo3", 76: "yolo3", 21: "yolo4", 110: "yolo4"}
NOTE = (
    "LibreYOLO divides by sqrt(variance) + 1e-6, as pjreddie's darknet does on the CPU; other"
    " engines, and this package's models, by sqrt(variance + 1e-5)"
)
READ = porting.reads(route="groups group_id", shortcut="activation")
ACTIVATIONS = ("leaky", "linear", "logistic", "mish", "relu")


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that the port would build otherwise, or it has another
            number of convolutions than those that the port knows.
    """
    porting.require_options(network, READ, ACTIVATIONS, "LibreYOLO")
    indices = porting.convolutions(network)
    attribute = ATTRIBUTES.get(len(indices))
    if attribute is None:
        known = ", ".join(map(str, sorted(ATTRIBUTES)))
        raise FamilyError(
            f"has {len(indices)} convolutions, those that LibreYOLO knows have {known}",
            remedy=remedy(),
        )
    places = (porting.conv_module(f"{attribute}.layers.{index}") for index in indices)
    return porting.name_convolutions(FAMILY.name, network, places, note=NOTE)


FAMILY = porting.port("libreyolo", "LibreYOLO's yolo3 and yolo4", name_layers)
