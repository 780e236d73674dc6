"""Networks, and the checkpoints of this and other projects."""

from spsr.config.networks import GENERATORS, NETWORKS
from spsr.models.checkpoint import describe, from_checkpoint, to_checkpoint
from spsr.models.networks import architecture, build

__all__ = ["GENERATORS", "NETWORKS", "architecture", "build", "describe", "from_checkpoint", "to_checkpoint"]
