"""Options that exclude each other are refused with one line, before anything is read."""

import pytest

from manifests.errors import UserError
from trainer.fit import __main__ as fit
from trainer.fit.contradictions import contradictions
from trainer.fit.distributed import check_processes
from trainer.fit.options import parse, recipe_from
from trainer.fit.recipe import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("stored", "live"), [(False, False), (True, False), (False, True)])
def test_no_preset_contradicts_itself(preset: str, stored: bool, live: bool):
    assert contradictions(PRESETS[preset](), stored_teachers=stored, live_teachers=live) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--distill a --distill-live b", "expected --distill or --distill-live, found both"),
        ("--distill a --loss lovasz", "expected another --loss with --distill, found lovasz"),
        ("--distill a --distill-loss cwd", "expected --distill-live with --distill-loss cwd, found none"),
        ("--temperature 2", "expected --distill-live with --temperature 2, found none"),
        ("--distill-live a --distill-share 0", "expected --distill-share above 0 with --distill-live, found 0"),
        ("--distill-live a --distill-loss cwd --distill-share 1", "expected --distill-share below 1 with"),
        ("--distill-live a --distill-loss bpkd --distill-share 1", "expected --distill-share below 1 with"),
        ("--distill-live a --distill-loss bpkd --boundary-weight 0", "expected --boundary-weight above 0 with"),
        ("--mixup 0.2 --cutmix 1", "expected --mixup or --cutmix, found both"),
        ("--mixup 0.2 --loss lovasz", "expected another --loss with --mixup, found lovasz"),
        ("--mixup 0.2 --crf 0.1", "expected --crf 0 with --mixup, found 0.1"),
        ("--cutmix 1 --connectivity 0.1", "expected --connectivity 0 with --cutmix, found 0.1"),
        ("--mixup 0.2 --consistency 2", "expected --consistency 0 with --mixup, found 2"),
        ("--consistency 2 --augmentation none", "expected --augmentation other than none with --consistency"),
    ],
)
def test_a_contradiction_exits_with_2_and_one_line(options: str, message: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        fit.main(["--manifest", "v1.parquet", *options.split()])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"python -m trainer.fit: error: {message}")


def test_options_reach_the_recipe():
    words = (
        "--distill-live a b --distill-loss bpkd --temperature 2 --connectivity 0.1 --consistency 2 --edge-weight 0.1 "
        "--alpha-weight 0.3 --crf 0.2"
    )
    recipe = recipe_from(parse(["--manifest", "v1.parquet", *words.split()]))
    found = recipe.distill_loss, recipe.temperature, recipe.connectivity, recipe.consistency, recipe.edge_weight
    assert (*found, recipe.alpha_weight, recipe.crf) == ("bpkd", 2.0, 0.1, 2.0, 0.1, 0.3, 0.2)


@pytest.mark.parametrize("option", ["--mixup", "--cutmix", "--crf"])
def test_losses_that_need_the_whole_batchs_images_are_for_one_process(option: str):
    recipe = recipe_from(parse(["--manifest", "v1.parquet", option, "1"]))
    check_processes(recipe, 1)
    check_processes(PRESETS["default"](), 2)
    with pytest.raises(UserError, match=rf"expected one process with {option}, .*, found 2; give --devices 1"):
        check_processes(recipe, 2)
