"""Settings of the server of MLflow's pages, in the form that gunicorn reads: it hands out their files at once.

MLflow's own choice, uvicorn, passes them through its WSGI bridge in pieces of 8 kB.
"""

import gc
from typing import Any

from werkzeug.test import Client

threads = 8
loglevel = "warning"
control_socket_disable = True
graceful_timeout = 1

_API = "/ajax-api/2.0/mlflow"


def post_worker_init(worker: Any) -> None:
    """Answer once what the page of all runs asks, before anyone waits for it.

    What is there by then stays: the collector of garbage need not go through it for each of the thousands of
    parameters and metrics of an answer.
    """
    browser = Client(worker.wsgi)
    browser.post("/graphql", json={"query": "{__typename}"})
    answer = browser.post(f"{_API}/experiments/search", json={"max_results": 10}).get_json() or {}
    known = [each["experiment_id"] for each in answer.get("experiments", [])]
    browser.post(f"{_API}/runs/search", json={"experiment_ids": known, "max_results": 100})
    gc.collect()
    gc.freeze()
