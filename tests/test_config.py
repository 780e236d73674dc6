"""The configuration: what it accepts, what it refuses, and that its errors name the place and the remedy."""

from pathlib import Path

import pytest
import yaml

from spsr.config import CONFIGS, digest, load
from spsr.config.training_settings import as_of_now
from spsr.config.yaml_source import Source
from spsr.errors import InputError

PRESETS = sorted(p for p in CONFIGS.glob("*.yaml") if "preset:" in p.read_text(encoding="utf-8"))


@pytest.fixture
def preset(tmp_path: Path):
    """Write a copy of the quick preset with changed lines, and the files beside it; returns the writer."""

    def write(change=lambda data: None, methods: dict | None = None) -> Path:
        data = yaml.safe_load((CONFIGS / "quick.yaml").read_text(encoding="utf-8"))
        change(data)
        if methods is not None:
            own = Source(CONFIGS / "methods.yaml").data | methods
            (tmp_path / "methods.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    return write


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        load(path)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_of_the_repository_is_valid(path: Path):
    assert load(path).methods


def test_an_ablation_is_its_parent_with_the_delta():
    methods = load().methods
    parent, child = methods["spsr_p"], methods["spsr_p_wo_asl"]
    assert child.losses.adversarial.structure == 0
    assert child.losses.pixel == parent.losses.pixel
    assert child.generator == parent.generator
    assert child.extractor == parent.extractor


def test_a_term_of_weight_zero_is_no_term():
    methods = load().methods
    assert [term.name for term in methods["spsr_p_wo_sl"].losses.terms()] == [
        "pixel/image",
        "pixel/branch",
        "perceptual/image",
    ]


def test_an_unknown_key_names_the_line_and_the_key_that_was_meant(preset):
    message = refusal(preset(lambda data: data["schedules"]["gan"].update(iteratons=3)))
    assert "mine.yaml:" in message
    assert "schedules.gan.iteratons" in message
    assert "did you mean 'iterations'?" in message


def test_a_weight_that_is_no_number_is_refused(preset):
    message = refusal(preset(methods={"mine": {"extends": "spsr_p", "losses": {"pixel": {"image": "much"}}}}))
    assert "methods.yaml:" in message
    assert "mine.losses.pixel.image" in message
    assert "'much'" in message


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_negative_or_not_finite_is_refused(preset, weight: float):
    message = refusal(preset(methods={"mine": {"extends": "spsr_p", "losses": {"pixel": {"image": weight}}}}))
    assert "finite number" in message


def test_an_unknown_parent_is_refused_with_a_suggestion(preset):
    assert "did you mean 'spsr_p'?" in refusal(preset(methods={"mine": {"extends": "spsrp", "title": "x"}}))


def test_methods_that_extend_each_other_are_refused(preset):
    message = refusal(preset(methods={"a": {"extends": "b"}, "b": {"extends": "a"}}))
    assert "extends itself" in message


def test_a_gradient_branch_loss_needs_a_generator_with_one(preset):
    message = refusal(preset(methods={"mine": {"extends": "esrgan", "losses": {"pixel": {"branch": 0.5}}}}))
    assert "no gradient branch" in message


def test_a_structure_loss_needs_an_extractor(preset):
    message = refusal(preset(methods={"mine": {"extends": "esrgan", "losses": {"pixel": {"structure": 1e-7}}}}))
    assert "extractor" in message


@pytest.mark.parametrize(
    ("ask", "nearest"),
    [("method", "spsr_g"), ("table", "table1"), ("extractor", "nse_j")],
)
def test_an_unknown_name_is_answered_with_the_nearest(ask: str, nearest: str):
    config = load()
    with pytest.raises(InputError, match=f"did you mean '{nearest}'"):
        getattr(config, ask)(nearest + "x")


def test_a_missing_preset_file_is_one_clear_line(tmp_path: Path):
    assert "cannot be read" in refusal(tmp_path / "none.yaml")


def test_a_key_given_twice_is_refused(tmp_path: Path):
    (tmp_path / "twice.yaml").write_text("preset: a\npreset: b\n", encoding="utf-8")
    assert "given twice" in refusal(tmp_path / "twice.yaml")


def test_a_number_in_scientific_notation_is_a_number(tmp_path: Path):
    (tmp_path / "n.yaml").write_text("a: 1e-7\nb: 2E3\n", encoding="utf-8")
    assert Source(tmp_path / "n.yaml").data == {"a": 1e-7, "b": 2e3}


def test_changing_one_weight_changes_the_identity_of_that_method_alone(preset):
    before = load(preset())
    after = load(
        preset(methods={"spsr_g_wo_gl": {"extends": "spsr_g", "title": "x", "losses": {"pixel": {"image": 9.0}}}})
    )
    changed = {
        name
        for name, method in before.methods.items()
        if method.source == "trained"
        and digest(before.training_settings(name, 0)) != digest(after.training_settings(name, 0))
    }
    assert changed == {"spsr_g_wo_gl"}


def test_the_paper_recipe_differs_from_the_official_one_in_every_named_point():
    from spsr.config import Recipe

    official, paper = (Recipe.model_validate(name) for name in ("official", "paper"))
    different = {key for key in Recipe.model_fields if getattr(official, key) != getattr(paper, key)}
    assert different == {"gradient_pixel", "gradient_padding", "fusion_warmup", "replicas"}


def test_starting_points_are_trained_once_with_the_first_seed():
    config = load(CONFIGS / "paper.yaml")
    assert config.seeds("rrdb") == (9,)
    assert config.seeds("nse_p_h") == (9,)
    assert config.seeds("spsr_p") == (9, 10, 11)


def test_single_methods_can_have_further_seeds(preset):
    config = load(preset(lambda data: data.update(more_seeds={"spsr_p": [0, 1], "rrdb": [1]})))
    assert (config.seeds("spsr_p"), config.seeds("spsr_g"), config.seeds("rrdb")) == ((0, 1), (0,), (0,))
    assert "did you mean 'esrgan'?" in refusal(preset(lambda data: data.update(more_seeds={"esrgna": [1]})))


def test_a_preset_that_starts_from_interpolation_says_so_in_its_mark(preset):
    def change(mark):
        return lambda data: data.update(mark=mark, recipe={"like": "paper", "start": "interpolation"})

    assert load(preset(change("mine: from an interpolation"))).preset.recipe.start == "interpolation"
    message = refusal(preset(change("mine: small networks")))
    assert "mine.yaml:" in message
    assert "say interpolation in the `mark`" in message


def test_foreign_results_become_a_row_of_the_tables_they_name(preset):
    def add(data):
        data["results"] = {"theirs": {"name": "Theirs", "from_images": "x", "tables": ["table1"]}}

    config = load(preset(add))
    assert config.tables["table1"].methods[-1] == "theirs"
    assert config.methods["theirs"].source == "foreign"


def test_a_setting_that_the_configuration_got_since_is_no_change_of_an_earlier_run():
    settings = load().training_settings("spsr_p", 0)
    recorded = settings.plain()
    for section, added in (("schedule", "warmup"), ("recipe", "structure_reduction"), ("method", "discriminator")):
        del recorded[section][added]
    assert as_of_now(recorded) == settings.plain()
    recorded["compute"]["precision"] = "bf16"
    assert as_of_now(recorded) != settings.plain()


def test_a_record_names_every_setting_and_a_digest_leaves_out_the_defaults():
    schedule = load().training_settings("spsr_p", 0).schedule
    assert "warmup" in schedule.model_dump()
    assert digest(schedule) == digest(schedule.model_dump(mode="json", exclude_defaults=True))
    assert digest(schedule) != digest(schedule.model_copy(update={"warmup": 1}))


def test_a_schedule_of_a_methods_own_name_is_that_methods_alone(preset):
    def change(data):
        data["schedules"]["spsr_j"] = data["schedules"]["gan"] | {"iterations": 7}

    config = load(preset(change))
    iterations = {name: config.schedule(config.method(name).schedule).iterations for name in ("spsr_j", "spsr_p")}
    assert iterations == {"spsr_j": 7, "spsr_p": load().schedule("gan").iterations}
