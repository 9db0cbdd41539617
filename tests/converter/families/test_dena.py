"""DeNA's names for YOLOv3, and a network that it has no place for."""

from tests.converter.families.port_networks import YOLOV3, YOLOV4, names_at, refusal


def test_the_names_entry_by_entry():
    # DeNA/PyTorch_YOLOv3 models/yolov3.py:59-104
    expected = {
        (0, "conv.weight"): "module_list.0.conv.weight",
        (1, "bn.bias"): "module_list.1.batch_norm.bias",
        (3, "conv.weight"): "module_list.2.module_list.0.1.conv.weight",
        (73, "conv.weight"): "module_list.10.module_list.3.1.conv.weight",
        (75, "conv.weight"): "module_list.11.module_list.0.0.conv.weight",
        (78, "conv.weight"): "module_list.11.module_list.1.1.conv.weight",
        (79, "conv.weight"): "module_list.12.conv.weight",
        (80, "conv.weight"): "module_list.13.conv.weight",
        (81, "conv.bias"): "module_list.14.conv.bias",
        (84, "conv.weight"): "module_list.15.conv.weight",
        (87, "conv.weight"): "module_list.17.conv.weight",
        (88, "conv.weight"): "module_list.18.conv.weight",
        (90, "conv.weight"): "module_list.19.module_list.0.1.conv.weight",
        (92, "conv.weight"): "module_list.21.conv.weight",
        (93, "conv.weight"): "module_list.22.conv.weight",
        (96, "conv.weight"): "module_list.23.conv.weight",
        (100, "conv.weight"): "module_list.26.conv.weight",
        (104, "conv.weight"): "module_list.27.module_list.1.1.conv.weight",
        (105, "conv.weight"): "module_list.28.conv.weight",
    }
    assert names_at(expected, YOLOV3, "dena") == expected


def test_another_network_is_refused_by_its_first_layer():
    place, problem = refusal(YOLOV4, "dena")
    assert place == "layer 0 [convolutional]"
    assert problem.startswith("is not DeNA's YOLOv3: activation is mish, not leaky")
