"""What a file may be instead, why it does not fit, which values no training gives.

A module may enter that explains what others refuse, or proposes what else to try; nothing here
decides. ``plan`` stays below and knows nothing of it: whoever holds the file asks.
"""
