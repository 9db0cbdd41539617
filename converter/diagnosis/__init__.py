"""What a file may be instead, why it does not fit, which values no training gives.

Nothing here decides; it explains what others refuse, or proposes.
"""
