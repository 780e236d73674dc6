"""Networks, and the checkpoints of this and other projects."""

from spsr.models.checkpoint import describe, from_checkpoint, to_checkpoint
from spsr.models.networks import GENERATORS, NETWORKS, architecture, build

__all__ = ["GENERATORS", "NETWORKS", "architecture", "build", "describe", "from_checkpoint", "to_checkpoint"]
