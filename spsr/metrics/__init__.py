"""The four measures of the paper's tables, on whole uint8 RGB images, and all that is known of them (`METRICS`).

`lpips` needs torch and pretrained weights and is in `spsr.metrics.lpips`; it is not imported here.
"""

from spsr.metrics.fidelity import SHAVE, psnr, ssim, ssim_standard
from spsr.metrics.metric import METRICS, Metric

__all__ = ["METRICS", "SHAVE", "Metric", "psnr", "ssim", "ssim_standard"]
