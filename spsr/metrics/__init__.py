"""The four measures of the paper's tables, on whole uint8 RGB images.

`lpips` needs torch and pretrained weights and is in `spsr.metrics.lpips`; it is not imported here.
"""

from spsr.metrics.fidelity import SHAVE, psnr, ssim, ssim_standard

PROTOCOLS = {
    "lpips": "LPIPS v0.1 with linear heads on an ImageNet network (AlexNet unless said otherwise), on the whole RGB "
    "image, not shaved, scaled to [-1, 1]; lower is better",
    "psnr": "dB, on the luma Y (BT.601, 16..235, rounded to 8 bits) after 4 pixels are shaved off every side; peak 255",
    "ssim": "on the same Y as psnr, after automatic downsampling by f = max(1, round(shorter side / 256)) with an "
    "f×f box mean; 11×11 Gaussian window, sigma 1.5, valid area; the protocol of the paper",
    "ssim_standard": "as ssim, without the downsampling",
}
"""How each metric is computed, in one line; printed wherever its numbers are."""

__all__ = ["PROTOCOLS", "SHAVE", "psnr", "ssim", "ssim_standard"]
