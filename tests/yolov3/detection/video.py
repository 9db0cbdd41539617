import cv2

from yolov3 import detect, load

model = load("shapes.safetensors")
clip = cv2.VideoCapture("clip.mp4")  # or 0, a camera
size = int(clip.get(cv2.CAP_PROP_FRAME_WIDTH)), int(clip.get(cv2.CAP_PROP_FRAME_HEIGHT))
code = cv2.VideoWriter.fourcc(*"mp4v")
copy = cv2.VideoWriter("found.mp4", code, clip.get(cv2.CAP_PROP_FPS), size)
while (frame := clip.read()[1]) is not None:
    found = detect(model, frame, bgr=True)
    for box, name in zip(found.boxes.astype(int).tolist(), found.names, strict=True):
        left, top, right, bottom = box
        cv2.rectangle(frame, (left, top), (right, bottom), (0, 0, 255), 2)
        cv2.putText(frame, name, (left, top), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 255))
    copy.write(frame)
copy.release()
