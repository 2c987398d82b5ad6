"""Writes torchvision.json: what torchvision's transforms on uint8 tensors give for fixed parameters and numbers.

    python3 makeFixtures.py [HEIGHT WIDTH] > torchvision.json
"""
import base64
import json
import math
import sys

import torch
import torchvision
from torchvision.transforms import RandomErasing, RandAugment, TrivialAugmentWide
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import _apply_op

height, width = (int(each) for each in sys.argv[1:3]) if len(sys.argv) > 2 else (12, 15)
torch.manual_seed(7)
colour = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
colour[:, :4] = (colour[:, :4] // 4 + torch.tensor([40, 80, 120]).view(3, 1, 1)).to(torch.uint8)
colour[:, 4, :4] = 77  # grey pixels
grey = colour[:1] // 2 + 30


def text(image):
    return base64.b64encode(image.permute(1, 2, 0).contiguous().numpy().tobytes()).decode()


cases = []


def pixels(op, function):
    for name, image in (("colour", colour), ("grey", grey)):
        cases.append({"image": name, "transform": {"kind": "pixels", "ops": [op]}, "expected": text(function(image))})


for factor in (0.0, 0.3, 0.77, 1.0, 1.4, 1.99):
    pixels({"op": "brightness", "factor": factor}, lambda x: F.adjust_brightness(x, factor))
    pixels({"op": "contrast", "factor": factor}, lambda x: F.adjust_contrast(x, factor))
    pixels({"op": "saturation", "factor": factor}, lambda x: F.adjust_saturation(x, factor))
    pixels({"op": "sharpness", "factor": factor}, lambda x: F.adjust_sharpness(x, factor))
for shift in (-0.5, -0.21, 0.0, 0.1, 0.4):
    pixels({"op": "hue", "shift": shift}, lambda x: F.adjust_hue(x, shift))
pixels({"op": "grayscale"}, lambda x: F.rgb_to_grayscale(x, x.shape[0]))
for bits in (2, 5, 8):
    pixels({"op": "posterize", "bits": bits}, lambda x: F.posterize(x, bits))
for threshold in (0.0, 93.5, 255.0):
    pixels({"op": "solarize", "threshold": threshold}, lambda x: F.solarize(x, threshold))
pixels({"op": "autocontrast"}, F.autocontrast)
pixels({"op": "equalize"}, F.equalize)

middle, corner = {"center": "middle"}, {"center": "corner"}
for mode in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
    for name, magnitude, move in (
        ("ShearX", 0.297, {"shear": [math.degrees(math.atan(0.297)), 0], **corner}),
        ("ShearY", -0.71, {"shear": [0, math.degrees(math.atan(-0.71))], **corner}),
        ("TranslateX", -3.2, {"translate": [-3.2, 0], **middle}),
        ("TranslateY", 4.9, {"translate": [0, 4.9], **middle}),
        ("Rotate", 31.5, {"angle": -31.5, **middle}),
        ("Rotate", -135.0, {"angle": 135, **middle}),
    ):
        transform = {"kind": "affine", "interpolation": mode.value, **move}
        cases.append({"image": "colour", "transform": transform, "expected": text(_apply_op(colour, name, magnitude, mode, None))})

# RandomErasing.get_params with its random numbers given
regions = []
for seed in range(6):
    torch.manual_seed(seed)
    numbers = torch.rand(40, dtype=torch.float64).tolist()
    scale, ratio = ((0.02, 0.33), (0.3, 3.3)) if seed < 4 else ((0.8, 1.0), (0.5, 2.0))
    # each try takes four of them; one that does not fit leaves its last two unused
    state = {"try": -1, "next": 0}

    def uniform(tensor, low, high):
        if state["next"] % 2 == 0:
            state["try"] += 1
            state["next"] = 0
        number = numbers[4 * state["try"] + state["next"]]
        state["next"] += 1
        return torch.tensor([float(low) + (float(high) - float(low)) * number])

    places = {"next": 2}

    def randint(low, high, size):
        number = numbers[4 * state["try"] + places["next"]]
        places["next"] += 1
        return torch.tensor([low + math.floor(number * (high - low))])

    kept = torch.Tensor.uniform_, torch.randint
    torch.Tensor.uniform_, torch.randint = uniform, randint
    top, left, h, w, _ = RandomErasing.get_params(torch.zeros(3, 32, 40), scale, ratio, [0.0])
    torch.Tensor.uniform_, torch.randint = kept
    regions.append({"scale": scale, "ratio": ratio, "draws": numbers, "expected": [top, left, h, w]})

# one bin of each op of the policies; every second signed one negative
policies = []
for policy, of, bin in (
    ("trivialAugmentWide", TrivialAugmentWide()._augmentation_space(31), 20),
    ("trivialAugmentWide", TrivialAugmentWide()._augmentation_space(31), 3),
    ("randAugment", RandAugment()._augmentation_space(31, (height, width)), 9),
):
    for index, (name, (values, signed)) in enumerate(of.items()):
        magnitude = values[bin].item() if values.ndim else 0.0
        negative = index % 2 == bin % 2
        out = _apply_op(colour, name, -magnitude if signed and negative else magnitude, InterpolationMode.NEAREST, None)
        policies.append({"policy": policy, "op": index, "bin": bin, "negative": negative, "expected": text(out)})


def space(of):
    return {name: {"magnitudes": values.tolist() if values.ndim else None, "signed": signed} for name, (values, signed) in of.items()}


print(
    json.dumps(
        {
            "torchvision": torchvision.__version__,
            "images": {
                "colour": {"height": height, "width": width, "channels": 3, "data": text(colour)},
                "grey": {"height": height, "width": width, "channels": 1, "data": text(grey)},
            },
            "cases": cases,
            "erased": regions,
            "policies": policies,
            "trivialAugmentWide": space(TrivialAugmentWide()._augmentation_space(31)),
            "randAugment": space(RandAugment()._augmentation_space(31, (240, 331))),
        }
    )
)
