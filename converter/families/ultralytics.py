"""The archive branch of ultralytics/yolov3, which builds what a cfg says.

``module_list.0.Conv2d.weight``, ...; WongKinYiu/PyTorch_YOLOv4 models/models.py@29a421fa:16-200 has
the same names, and the same batch norm, which adds 1e-4 (:44).
"""

from converter.darknet.network import Network
from converter.families import porting
from converter.families.base import Naming

EPS = 1e-4
# Its detect.py and test.py; likewise wang-xinyu/tensorrtx yolov3-spp/gen_wts.py.
NOTE = (
    "ultralytics/yolov3's scripts look for a state dict under 'model': they want"
    " torch.save({'model': STATE_DICT}, PATH)"
)
READ = porting.reads(convolutional="groups", yolo="new_coords")
ACTIVATIONS = ("leaky", "linear", "logistic", "mish", "swish")


def name_layers(network: Network) -> Naming:
    """The port's names for ``network``.

    Raises:
        FamilyError: naming the first layer that the port would build otherwise.
    """
    porting.require_options(network, READ, ACTIVATIONS, "ultralytics/yolov3")
    paths = (f"module_list.{index}" for index in porting.convolutions(network))
    places = ((f"{path}.Conv2d", f"{path}.BatchNorm2d") for path in paths)
    note = "; ".join(filter(None, (NOTE, porting.pool_note(network, "ultralytics/yolov3"))))
    return porting.name_convolutions(FAMILY.name, network, places, eps=EPS, note=note)


FAMILY = porting.port(
    "ultralytics", "ultralytics/yolov3's archive branch, WongKinYiu/PyTorch_YOLOv4", name_layers
)
