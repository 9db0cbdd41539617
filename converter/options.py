"""The types of what a caller chooses."""

import os
from typing import Literal

PathLike = str | os.PathLike[str]
FamilyChoice = str  # "auto", or a name in families.FAMILIES
DialectChoice = Literal["auto", "pjreddie", "alexeyab"]
Dtype = Literal["float32", "float16", "bfloat16"]  # of a checkpoint's values
