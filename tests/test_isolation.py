"""Tests leave alone what is the user's."""

import os
import subprocess
import sys
from pathlib import Path


def test_no_test_sees_the_users_own_folders_cluster_or_server() -> None:
    own = {"SPSR_RESOURCES": "mine", "SPSR_DATASETS": "mine", "SPSR_SITE": "mine", "MLFLOW_TRACKING_URI": "mine"}
    code = f"import os, conftest; assert not {{*{sorted(own)}}} & os.environ.keys()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | own, cwd=Path(__file__).parent, check=True)
