"""MLflow: every finished run is imported once, completely, and again only when its files changed."""

import base64
import gc
import json
import shutil
import socket
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from servers import mlflow_server
from synthetic import PASSPORT, made_up_scores, toy_config, write_results

from spsr.config import CONFIGS, Config
from spsr.errors import InputError
from spsr.evaluation.score_files import write_csv
from spsr.files import write_text
from spsr.results.curves import thinned
from spsr.tracking import experiment, pages
from spsr.tracking import track as tracking
from spsr.tracking.server import serve

METHODS = ("bicubic", "rrdb", "spsr_g_wo_gb")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once: making one takes seconds."""
    experiment.quiet_mlflow()
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    experiment.create_store(path)
    return path


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Config:
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path)
    write_results(config, METHODS)
    experiment.database(config).parent.mkdir(parents=True)
    shutil.copyfile(empty_store, experiment.database(config))
    return config


def client(config: Config):  # type: ignore[no-untyped-def]
    from mlflow import MlflowClient

    return MlflowClient(experiment.tracking_uri(config))


def runs(config: Config):  # type: ignore[no-untyped-def]
    store = client(config)
    found = store.get_experiment_by_name("spsr-toy")
    return {run.info.run_name: run for run in store.search_runs([found.experiment_id])}


def history(config: Config, run: str, metric: str) -> list[tuple[int, float]]:
    points = client(config).get_metric_history(runs(config)[run].info.run_id, metric)
    return [(point.step, point.value) for point in points]


def test_each_method_and_seed_is_a_run_with_configuration_curves_scores_and_tags(toy: Config) -> None:
    done = tracking.track(toy)
    found = runs(toy)
    assert sorted(done.new) == sorted(found) == sorted(f"{name}-seed0" for name in METHODS)
    run = found["spsr_g_wo_gb-seed0"]
    assert run.info.status == "FINISHED"
    assert run.data.params["losses.pixel.gradient"] == "0.01"
    assert run.data.params["schedule.iterations"] == str(toy.preset.schedules["gan"].iterations)
    assert run.data.tags["tables"] == "table2"
    assert run.data.tags["table2"] == "yes"
    assert run.data.tags["parent"] == "spsr_g"
    assert run.data.tags["source"] == "trained"
    assert run.data.tags["mark"] == toy.preset.mark
    expected = made_up_scores(toy, "spsr_g_wo_gb", 0, "Set5", 3)["lpips"].mean()
    assert run.data.metrics["Set5/lpips"] == pytest.approx(expected)
    curve = [json.loads(line) for line in toy.layout.run("spsr_g_wo_gb", 0).events.open()]
    assert history(toy, "spsr_g_wo_gb-seed0", "loss/adversarial/gradient") == [
        (event["step"], event["losses"]["adversarial/gradient"]) for event in curve
    ]


def test_a_method_that_is_not_trained_has_its_scores_too(toy: Config) -> None:
    tracking.track(toy)
    run = runs(toy)["bicubic-seed0"]
    assert {f"{dataset}/psnr" for dataset in toy.preset.data.benchmarks} <= set(run.data.metrics)
    assert run.data.tags["source"] == "computed"
    assert not any(name.startswith("loss/") for name in run.data.metrics)


def test_artefacts_lie_beside_the_store_and_hold_configuration_and_two_images(toy: Config) -> None:
    tracking.track(toy)
    run = runs(toy)["rrdb-seed0"]
    folder = experiment.database(toy).parent / "artifacts" / run.info.run_id / "artifacts"
    assert run.info.artifact_uri == f"mlflow-artifacts:/{run.info.run_id}/artifacts"
    assert {path.name for path in (folder / "configuration").iterdir()} == {"resolved.yaml", "toy.yaml"}
    assert (folder / "training" / "run.yaml").is_file()
    assert len(list((folder / "images").glob("*.png"))) == 2
    assert not Path("mlruns").exists()


def test_a_metric_of_ones_own_is_one_of_its_runs_and_sorts_its_tables_view(toy: Config, tmp_path: Path) -> None:
    own = "own/metrics.py:brightness"
    write_text(Path("own/metrics.py"), "def brightness(sr, hr):\n    return sr.mean()\n")
    tables = yaml.safe_load((CONFIGS / "tables.yaml").read_text(encoding="utf-8"))
    tables["table1"]["metrics"] = [own, "psnr"]
    write_text(Path("tables.yaml"), yaml.safe_dump(tables))
    config = toy_config(tmp_path, tables=["table1"])
    write_csv(
        made_up_scores(config, "rrdb", 0, "Set5", 3).assign(**{own: 7.5}), config.layout.scores("rrdb", 0, "Set5")
    )
    tracking.track(config)
    assert history(config, "rrdb-seed0", f"Set5/{own}") == [(0, 7.5)]
    (version,) = versions(config, "toy.rrdb")
    assert version.tags[f"Set5/{own}"] == "7.5"
    tags = client(config).get_experiment_by_name("spsr-toy").tags
    shown = json.loads(zlib.decompress(base64.b64decode(tags["mlflow.sharedViewState.table1"].partition(";")[2])))
    assert shown["orderByKey"] == f"metrics.`Set5/{own}`"


def test_importing_again_changes_nothing(toy: Config) -> None:
    tracking.track(toy)
    before = {name: run.info.run_id for name, run in runs(toy).items()}
    curve = history(toy, "rrdb-seed0", "loss/pixel/image")
    done = tracking.track(toy)
    assert sorted(done.unchanged) == sorted(before)
    assert {name: run.info.run_id for name, run in runs(toy).items()} == before
    assert history(toy, "rrdb-seed0", "loss/pixel/image") == curve


def test_an_import_that_was_cut_off_is_completed_without_doubling_a_point(
    toy: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "_POINTS_AT_ONCE", 7)

        def cut_off(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(tracking, "log_artifacts", cut_off)
        with pytest.raises(KeyboardInterrupt):
            tracking.track(toy)
    assert len(runs(toy)) == 1
    store = client(toy)
    (partial,) = runs(toy).values()
    assert partial.info.status == "RUNNING"
    tracking.track(toy)
    assert len(runs(toy)) == 3
    completed = store.get_run(partial.info.run_id)
    assert completed.info.status == "FINISHED"
    for metric in completed.data.metrics:
        steps = [step for step, _ in history(toy, completed.info.run_name, metric)]
        assert len(steps) == len(set(steps))


def test_a_run_that_was_made_twice_is_one_after_the_import(toy: Config) -> None:
    tracking.track(toy)
    complete = runs(toy)["rrdb-seed0"]
    store = client(toy)
    store.create_run(complete.info.experiment_id, run_name="rrdb-seed0")
    tracking.track(toy)
    found = [run.info.run_id for run in store.search_runs([complete.info.experiment_id])]
    assert len(found) == len(METHODS)
    assert complete.info.run_id in found


def test_new_scores_of_a_run_are_added_and_changed_ones_replace_it(toy: Config) -> None:
    path = toy.layout.scores("rrdb", 0, "Set5")
    kept = path.read_bytes()
    path.unlink()
    tracking.track(toy)
    first = runs(toy)["rrdb-seed0"]
    assert "Set5/psnr" not in first.data.metrics
    path.write_bytes(kept)
    assert tracking.track(toy).completed == ["rrdb-seed0"]
    completed = runs(toy)["rrdb-seed0"]
    assert completed.info.run_id == first.info.run_id
    assert "Set5/psnr" in completed.data.metrics
    write_csv(made_up_scores(toy, "esrgan", 0, "Set5", 3), path)
    done = tracking.track(toy)
    assert done.replaced == ["rrdb-seed0"]
    replaced = runs(toy)["rrdb-seed0"]
    assert replaced.info.run_id != first.info.run_id
    expected = made_up_scores(toy, "esrgan", 0, "Set5", 3)["psnr"].mean()
    assert history(toy, "rrdb-seed0", "Set5/psnr") == [(0, pytest.approx(expected))]


def test_a_training_that_is_not_finished_is_left_out(toy: Config) -> None:
    toy.layout.run("rrdb", 0).model.unlink()
    for dataset in toy.preset.data.benchmarks:
        toy.layout.scores("rrdb", 0, dataset).unlink()
    tracking.track(toy)
    assert "rrdb-seed0" not in runs(toy)


def test_the_tracking_uri_of_the_environment_is_respected(
    toy: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    other = tmp_path / "elsewhere.db"
    shutil.copyfile(empty_store, other)
    before = experiment.database(toy).read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    assert tracking.track(toy).uri == f"sqlite:///{other}"
    assert len(runs(toy)) == 3
    assert experiment.database(toy).read_bytes() == before


def test_a_store_is_made_whole_or_not_at_all(tmp_path: Path, empty_store: Path) -> None:
    assert empty_store.read_bytes()[:15] == b"SQLite format 3"
    assert [path.name for path in empty_store.parent.iterdir()] == ["mlflow.db"]


def test_a_broken_event_file_is_named_with_its_line(toy: Config) -> None:
    path = toy.layout.run("rrdb", 0).events
    write_text(path, '{"step": 1, "lr": 0.1, "losses": {}}\nnonsense\n')
    with pytest.raises(InputError, match=r"events\.jsonl:2: not JSON"):
        tracking.track(toy)


def test_the_page_of_the_runs_is_known_without_a_server(toy: Config) -> None:
    tracking.track(toy)
    number = client(toy).get_experiment_by_name("spsr-toy").experiment_id
    assert experiment.runs_page(toy, 5001) == f"http://127.0.0.1:5001/#/experiments/{number}/runs"


def test_a_server_needs_runs_and_a_free_port(toy: Config) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="something else answers"):
            serve(toy, taken.getsockname()[1], print)
    experiment.database(toy).unlink()
    with pytest.raises(InputError, match="run `spsr track"):
        serve(toy, 5000, print)


def versions(config: Config, name: str):  # type: ignore[no-untyped-def]
    return client(config).search_model_versions(f"name = '{name}'")


def test_a_training_is_a_version_of_a_registered_model_with_weights_and_scores(toy: Config) -> None:
    tracking.track(toy)
    (version,) = versions(toy, "toy.rrdb")
    run = runs(toy)["rrdb-seed0"]
    weights = toy.layout.model("rrdb", 0)
    assert version.run_id == run.info.run_id
    assert version.tags["weights sha256"] == run.data.tags["weights sha256"]
    assert float(version.tags["Set5/psnr"]) == pytest.approx(run.data.metrics["Set5/psnr"], rel=1e-5)
    place = client(toy).get_model_version_download_uri("toy.rrdb", version.version)
    assert place == f"runs:/{run.info.run_id}/model"
    stored = experiment.database(toy).parent / "artifacts" / run.info.run_id / "artifacts/model/model.safetensors"
    assert stored.read_bytes() == weights.read_bytes()
    assert stored.samefile(weights), "the store holds a second copy"


def test_only_trained_methods_are_registered(toy: Config) -> None:
    tracking.track(toy)
    assert {model.name for model in client(toy).search_registered_models()} == {"toy.rrdb", "toy.spsr_g_wo_gb"}


def test_importing_again_registers_nothing(toy: Config) -> None:
    path = toy.layout.scores("rrdb", 0, "Set5")
    kept = path.read_bytes()
    path.unlink()
    tracking.track(toy)
    path.write_bytes(kept)
    assert tracking.track(toy).completed == ["rrdb-seed0"]
    (version,) = versions(toy, "toy.rrdb")
    assert "Set5/psnr" in version.tags


def test_a_replaced_run_takes_its_version_along_and_new_weights_are_another(toy: Config) -> None:
    tracking.track(toy)
    write_csv(made_up_scores(toy, "esrgan", 0, "Set5", 3), toy.layout.scores("rrdb", 0, "Set5"))
    tracking.track(toy)
    (version,) = versions(toy, "toy.rrdb")
    assert version.run_id == runs(toy)["rrdb-seed0"].info.run_id
    weights, events = toy.layout.model("rrdb", 0), toy.layout.run("rrdb", 0).events
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content + b" ")
    write_text(events, "\n".join(events.read_text().splitlines()[:-1]) + "\n")
    tracking.track(toy)
    old, new = sorted(versions(toy, "toy.rrdb"), key=lambda each: int(each.version))
    assert (
        old.tags["weights sha256"] != new.tags["weights sha256"] == runs(toy)["rrdb-seed0"].data.tags["weights sha256"]
    )


def test_the_report_is_among_the_artefacts_of_a_run_and_a_changed_one_replaces_it(toy: Config) -> None:
    for content in ("<p>first</p>", "<p>first</p>", "<p>second</p>"):
        write_text(toy.layout.report, content)
        tracking.track(toy)
        run = runs(toy)["report"]
        stored = experiment.database(toy).parent / "artifacts" / run.info.run_id / "artifacts" / "report.html"
        assert stored.read_text() == content
        assert len(runs(toy)) == 1 + len(METHODS)


def test_a_checkout_may_be_moved_with_its_store(toy: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking.track(toy)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("results", "resources"):
        (tmp_path / name).rename(moved / name)
    monkeypatch.chdir(moved)
    assert len(tracking.track(toy).unchanged) == len(METHODS)
    assert [each.name for each in client(toy).search_experiments()] == ["spsr-toy", "Default"]


def test_a_run_says_which_images_it_was_trained_and_scored_on(toy: Config) -> None:
    write_text(toy.layout.passport("Set14"), PASSPORT)
    record = toy.layout.run("rrdb", 0).record
    write_text(record, record.read_text().replace("inputs: {}", f"inputs: {{training images: {'a' * 64}}}"))
    tracking.track(toy)
    inputs = {each.dataset.name: each for each in runs(toy)["rrdb-seed0"].inputs.dataset_inputs}
    assert {name: each.tags[0].value for name, each in inputs.items()} == {
        "training images": "training",
        "Set14": "evaluation",
    }
    assert inputs["training images"].dataset.digest == "a" * 32
    assert json.loads(inputs["Set14"].dataset.profile) == {"images": 3}


def test_a_sample_image_is_logged_once_also_when_the_run_is_completed_later(toy: Config) -> None:
    kept = (late := toy.layout.scores("rrdb", 0, "Urban100")).read_bytes()
    late.unlink()
    tracking.track(toy)
    late.write_bytes(kept)
    assert tracking.track(toy).completed == ["rrdb-seed0"]
    folder = experiment.database(toy).parent / "artifacts" / runs(toy)["rrdb-seed0"].info.run_id / "artifacts/images"
    assert sorted(path.name.split("+")[0] for path in folder.glob("*.png")) == [
        "Images~BSD100 im_000",
        "Images~General100 im_000",
    ]


def import_killed_among_its_images_and_again(toy: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    set_tag = MlflowClient.set_tag

    def killed(client: MlflowClient, run_id: str, key: str, *args: Any, **options: Any) -> None:
        if key == "spsr.samples":
            raise KeyboardInterrupt
        set_tag(client, run_id, key, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_tag", killed)
        with pytest.raises(KeyboardInterrupt):
            tracking.track(toy)
    tracking.track(toy)


def test_an_import_that_is_killed_among_its_images_leaves_none_twice(
    toy: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_killed_among_its_images_and_again(toy, monkeypatch)
    folder = experiment.database(toy).parent / "artifacts"
    for run in runs(toy).values():
        images = [path.name.split("+")[0] for path in (folder / run.info.run_id / "artifacts/images").glob("*.png")]
        assert len(images) == len(set(images)) == 2


def test_an_import_into_a_server_that_is_killed_among_its_images_leaves_none_twice(
    toy: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow_server(tmp_path, f"sqlite:///{experiment.database(toy)}") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        import_killed_among_its_images_and_again(toy, monkeypatch)
        for run in runs(toy).values():
            listed = [each.path for each in client(toy).list_artifacts(run.info.run_id, "images")]
            images = [path.split("+")[0] for path in listed if path.endswith(".png")]
            assert len(images) == len(set(images)) == 2


def test_a_long_curve_is_thinned_evenly_and_a_longer_one_keeps_none_that_a_shorter_lost() -> None:
    curve = {("loss/pixel/image", 100 * i): (1 / (1 + i), i) for i in range(5000)}
    final = {("Set5/psnr", 0): (30.0, 5000)}
    kept = thinned(curve | final)
    assert kept.keys() & final.keys() == final.keys()
    steps = [step for name, step in kept if name == "loss/pixel/image"]
    assert steps == list(range(0, 500_000, 1600))
    shorter = dict(list(curve.items())[:1700])
    assert kept.keys() & shorter.keys() <= thinned(shorter).keys()


def test_the_server_has_answered_the_first_page_once_before_anyone_opens_it() -> None:
    asked = []

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append((environ["PATH_INFO"], environ["wsgi.input"].read()))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"experiments": [{"experiment_id": "7"}]}']

    try:
        pages.post_worker_init(SimpleNamespace(wsgi=wsgi))
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    assert asked[0][0] == "/graphql"
    assert asked[-1][0].endswith("/runs/search")
    assert b'"7"' in asked[-1][1]
