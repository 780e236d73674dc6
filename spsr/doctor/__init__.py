"""Checks of a machine and a cluster before anything is launched: each is one line, ok or with a remedy."""

from spsr.doctor.finding import Finding
from spsr.doctor.machine import check_machine
from spsr.doctor.slurm import check_slurm
from spsr.doctor.submissions import check_submissions

__all__ = ["Finding", "check_machine", "check_slurm", "check_submissions"]
