"""Section types of forks, which are no engines."""

from converter.darknet.dialects import DIALECTS, forks
from converter.darknet.layers import LAYERS


def test_their_types_are_no_engines():
    known = {*LAYERS, *(section for record in DIALECTS.values() for section in record.sections)}
    assert not set(forks.SECTIONS) & known
    assert forks.SECTIONS["implicit_add"].startswith("WongKinYiu's ports")
    assert all(forks.SECTIONS.values())
