"""Pictures in, boxes out, as Darknet itself answers; and how well, on labelled pictures."""
