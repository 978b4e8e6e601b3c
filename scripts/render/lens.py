"""From linear light to the file that a camera writes: halo, blur, exposure, noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from render.noise import Array


def develop(rng: np.random.Generator, light: Array) -> NDArray[np.uint8]:
    """A photo (size, size, 3) uint8 from linear light of the same shape."""
    size = light.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    corner = axis[:, None] ** 2 + axis[None] ** 2
    gains = np.exp(rng.normal(0, 0.07, 3) + rng.normal(0.05, 0.16)).astype(np.float32)
    light = light * gains * (1 - np.float32(rng.uniform(0, 0.18)) * corner)[..., None]
    light = np.maximum(light, 0)
    toned = light * (1 + light / 2.6) / (1 + light * 0.75)  # Reinhard's curve: highlights bend, not clip
    photo = np.clip(toned, 0, 1) ** np.float32(1 / 2.2)
    soft = rng.uniform(0.0, 0.9) if rng.uniform() < 0.85 else rng.uniform(0.9, 1.6)
    photo = _blur(photo, soft * size / 144)
    grain = np.float32(rng.choice([0.006, 0.012, 0.022, 0.035]))
    noise = rng.standard_normal((size, size, 3), np.float32)
    noise = 0.6 * noise + 0.4 * noise.mean(2, keepdims=True)
    photo = photo + noise * grain * (1.25 - photo)
    pixels = (np.clip(photo, 0, 1) * 255 + 0.5).astype(np.uint8)
    return _through_jpeg(pixels, int(rng.integers(68, 97)))


def _blur(photo: Array, radius: float) -> Array:
    if radius < 0.2:
        return photo
    image = Image.fromarray((photo * 255 + 0.5).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius))).astype(np.float32) / 255


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
