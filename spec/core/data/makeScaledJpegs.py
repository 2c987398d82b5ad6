"""Writes scaledJpegs.json: pictures and what libjpeg-turbo makes of them at a half, a quarter and an eighth of their size.

    python3 makeScaledJpegs.py > scaledJpegs.json        (Pillow with libjpeg-turbo 2 or later)

Pillow's Image.draft sets libjpeg's scale_denom. All else is libjpeg's default: accurate integer transform, "fancy" upsampling.
"""
import base64
import io
import json
import math
import re

from PIL import Image

width, height = 45, 37


def wave(x, y, c):
    noise = (x * 7919 + y * 104729 + c * 1299709) * 2654435761 % 2**32 >> 27
    value = 128 + 60 * math.sin((x + 9 * c) / 7) + 50 * math.cos(y / (3 + 2 * c)) + 15 * math.sin(x * y * 0.07) + noise
    return max(0, min(255, int(value)))


def noise(x, y, c):
    return 255 if ((x + 1) * 40503 ^ (y + 1) * 30011 ^ (c + 1) * 60013) * 2654435761 % 2**32 >> 31 else 0


def written(draw, mode, **options):
    image = Image.new(mode, (width, height))
    channels = len(mode.replace('L', 'Y'))
    values = [tuple(draw(x, y, c) for c in range(channels)) for y in range(height) for x in range(width)]
    image.putdata([value[0] for value in values] if mode == 'L' else values)
    file = io.BytesIO()
    image.save(file, 'jpeg', **options)
    return file.getvalue()


# what Pillow does not write
fixtures = open('jpegFixtures.ts').read()
upright = base64.b64decode(re.search(r"'4:4:0'.*?'(/9j[^']*)'", fixtures, re.S).group(1))
files = {
    '4:2:0': written(wave, 'RGB', quality=80, subsampling=2),
    '4:2:2': written(wave, 'RGB', quality=90, subsampling=1),
    '4:4:0': upright,
    '4:4:4': written(wave, 'RGB', quality=70, subsampling=0),
    'grey': written(wave, 'L', quality=80),
    'black and white noise': written(noise, 'RGB', quality=100, subsampling=2),
    'coarse': written(noise, 'RGB', quality=2, subsampling=0),
}
text = lambda data: base64.b64encode(data).decode()
out = []
for name, file in files.items():
    case = {'name': name, 'file': text(file)}
    for scale in (2, 4, 8):
        image = Image.open(io.BytesIO(file))
        image.draft(None, (width // scale, height // scale))
        assert image.size == (-(-width // scale), -(-height // scale))
        case[f'at {scale}'] = text(image.tobytes())
    out.append(case)
print('[\n' + ',\n'.join(json.dumps(case) for case in out) + '\n]')
