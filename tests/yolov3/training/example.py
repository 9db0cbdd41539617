from pathlib import Path

import numpy as np
import torch
from PIL import Image

from yolov3 import DarknetLoss, YOLOv3, load, save

model = load("shapes.safetensors", model_class=YOLOv3).freeze_backbone()
criterion = DarknetLoss(model.replace_heads(3, names=["circle", "square", "triangle"]).train())
files = sorted(Path("train").glob("*.png"))  # 192 x 192 pixels, darknet's labels beside them
pictures = torch.stack([torch.tensor(np.array(Image.open(file))) for file in files])
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)  # leaves alone what is frozen
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, total_iters=12)
for _ in range(12):
    for batch in torch.randperm(len(files)).split(8):
        targets = [np.loadtxt(files[i].with_suffix(".txt"), ndmin=2) for i in batch]
        loss, figures = criterion(model(pictures[batch].permute(0, 3, 1, 2) / 255), targets)
        optimizer.zero_grad()
        (loss / len(batch)).backward()  # darknet divides by the pictures of a batch, too
        optimizer.step()
    schedule.step()
save(model, "tuned.weights", cfg_out="tuned.cfg", names_out="tuned.names")
