"""PyTorch's DataLoader with torchvision's transforms: dataloader.py FOLDER WORKERS SECONDS. Prints {"images_per_s": …}."""
import json
import sys
import time

import torch
import torchvision
from torchvision import transforms as T

folder, workers, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
steps = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.5,) * 3, (0.25,) * 3)])
data = torchvision.datasets.ImageFolder(folder + "/train", steps)
loader = torch.utils.data.DataLoader(data, 128, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=True)
for _ in range(2):
    for images, labels in loader:
        pass
count, began = 0, time.time()
while time.time() - began < seconds:
    for images, labels in loader:
        count += len(labels)
print(json.dumps({"images_per_s": count / (time.time() - began)}))
