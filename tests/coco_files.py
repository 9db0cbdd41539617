"""Small COCO files for tests."""

import json


def coco(folder, **changes):
    """A COCO file with one picture and two objects, one of them a crowd."""
    content = {
        "images": [{"id": 42, "file_name": "a.png", "width": 100, "height": 50}],
        "categories": [{"id": 9, "name": "square"}, {"id": 5, "name": "circle"}],
        "annotations": [
            {"id": 1, "image_id": 42, "category_id": 9, "bbox": [10, 5, 20, 30], "iscrowd": 0},
            {"id": 2, "image_id": 42, "category_id": 5, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        **changes,
    }
    (folder / "labels.json").write_text(json.dumps(content))
    (folder / "a.png").write_text("")
    return folder


def two_objects(folder, first, second, **changes):
    """``coco`` with its categories, 9 and 5, called by other names."""
    categories = [{"id": 9, "name": first}, {"id": 5, "name": second}]
    return coco(folder, categories=categories, **changes)
