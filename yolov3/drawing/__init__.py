"""What a picture of detections is made of: colours, fonts, and places for labels.

A module may enter that knows boxes and texts only: no model, no file of a picture.
"""
